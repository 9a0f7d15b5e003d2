import { withoutForm } from './delivery.ts'
import type { Generation, Manifest } from './manifest.ts'

/** Paths of every generation that the manifest knows, the current one first. */
function pathsOfGenerations(manifest: Manifest): ReadonlyMap<string, string>[] {
  const all = [manifest.paths]
  let paths = manifest.paths
  for (const { differs } of manifest.generations) {
    const older = new Map(paths)
    for (const [name, stored] of Object.entries(differs)) {
      if (stored === null) older.delete(name)
      else older.set(name, stored)
    }
    all.push(older)
    paths = older
  }
  return all
}

/**
 * The generations behind a new one: the current one of before, and those behind it, as many as are
 * kept. Without a limit one is remembered, for a rollback.
 */
export function generationsBehind(
  paths: ReadonlyMap<string, string>,
  before: Manifest,
  keep: number | undefined,
): readonly Generation[] {
  if (before.paths.size === 0) return []
  const { hash, created } = before
  const own = { hash, created: created ?? '', differs: differences(paths, before.paths) }
  return [own, ...before.generations].slice(0, (keep ?? 2) - 1)
}

/** Generations that are kept under another limit than that they were written under. */
export function trimGenerations(
  manifest: Manifest,
  keep: number | undefined,
): readonly Generation[] {
  return keep === undefined ? manifest.generations : manifest.generations.slice(0, keep - 1)
}

/** The manifest that a rollback puts in force, or nothing if there is none before. */
export function rolledBack(manifest: Manifest): Manifest | undefined {
  const index = manifest.generations.findIndex(({ undone }) => undone !== true)
  const target = manifest.generations[index]
  const all = pathsOfGenerations(manifest)
  const paths = all[index + 1]
  if (target === undefined || paths === undefined) return undefined
  const rest = manifest.generations
    .map((generation, at) => ({ generation, paths: all[at + 1] ?? paths }))
    .filter((_, at) => at !== index)
  const left = {
    generation: { hash: manifest.hash, created: manifest.created ?? '', undone: true, differs: {} },
    paths: manifest.paths,
  }
  let newer = paths
  const generations = [left, ...rest].map(({ generation, paths: older }) => {
    const differs = differences(newer, older)
    newer = older
    return { ...generation, differs }
  })
  return {
    ...manifest,
    paths,
    hash: target.hash,
    created: target.created,
    // What was written down belongs to the files that were just left.
    integrity: new Map(
      [...manifest.integrity].filter(([name]) => paths.get(name) === manifest.paths.get(name)),
    ),
    generations,
    state: undefined,
  }
}

/** Names of files, each of which stands for its compressed forms, too. */
export class StoredNames {
  readonly #names = new Set<string>()

  add(names: Iterable<string>): void {
    for (const name of names) this.#names.add(name)
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#names.has(withoutForm(name))
  }
}

/**
 * What only generations that are not kept any more name, and what a run before left that was to go: a
 * question to ask of each stored name.
 */
export function prunable(before: Manifest, after: Manifest): (name: string) => boolean {
  const dropped = storedNames(before)
  dropped.add(before.pruning?.names ?? [])
  const kept = new StoredNames()
  for (const paths of pathsOfGenerations(after)) {
    kept.add(paths.values())
    kept.add(paths.keys())
  }
  return name => dropped.has(name) && !kept.has(name)
}

/** Everything that generations name. */
export function storedNames(manifest: Manifest): StoredNames {
  const names = new StoredNames()
  for (const paths of pathsOfGenerations(manifest)) names.add(paths.values())
  return names
}

function differences(
  newer: ReadonlyMap<string, string>,
  older: ReadonlyMap<string, string>,
): Record<string, string | null> {
  const differs: Record<string, string | null> = {}
  for (const [name, stored] of older) if (newer.get(name) !== stored) differs[name] = stored
  for (const name of newer.keys()) if (!older.has(name)) differs[name] = null
  return differs
}
