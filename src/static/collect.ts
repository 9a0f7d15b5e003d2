import { setMaxListeners } from 'node:events'
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { linkSignals, untilAborted } from '../core/abort.ts'
import { ImproperlyConfigured, isStorageError, ValidationError } from '../core/errors.ts'
import { filepathToUri } from '../core/names.ts'
import { type ArgumentTypes, checkArguments } from '../core/options.ts'
import { type CollectSettings, collectSettings, type SettingsOptions } from './collect-settings.ts'
import { type FoundFiles, findFiles, isInside } from './finders.ts'
import {
  generationsBehind,
  prunable,
  StoredNames,
  storedNames,
  trimGenerations,
} from './generations.ts'
import type { HashedFiles, HashOptions } from './hash-files.ts'
import { FileLinks } from './link-files.ts'
import { emptyManifest, type Manifest, manifestHash, sameEntries } from './manifest.ts'
import { readSettled } from './pruning.ts'
import { publish } from './publish.ts'
import type { StoredManifest } from './static-manifest.ts'
import { StoredFiles } from './stored-files.ts'
import { planUploads, type Upload, type UploadPlan } from './upload-plan.ts'
import type { StaticWarning } from './warning.ts'

export interface CollectOptions extends SettingsOptions {
  /** Nothing is ever asked here; `npx stowage collectstatic` asks before it overwrites. */
  readonly noInput?: boolean | undefined
  /**
   * Writes everything again, and deletes what is no part of the site: everything else below the
   * storage's location. Nothing that the site uses is missing at any moment.
   */
  readonly clear?: boolean | undefined
  /** Writes and deletes nothing; the result is what would have been done. */
  readonly dryRun?: boolean | undefined
  /** Links to the files instead of copies; on disk alone. */
  readonly link?: boolean | undefined
  /** Whether hashed names are made, where the storage has a manifest. Default true. */
  readonly postProcess?: boolean | undefined
  /** Whether `CVS`, `.*` and `*~` are left out. Default true. */
  readonly useDefaultIgnore?: boolean | undefined
  /** Generations that are kept; default: what the storage says. */
  readonly keepGenerations?: number | undefined
  readonly onWarning?: ((warning: StaticWarning) => void) | undefined
  readonly onProgress?: ((progress: CollectProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Objects written so far, of those that have to be. */
export interface CollectProgress {
  readonly done: number
  readonly total: number
}

/** Names, as the application knows them. */
export interface CollectResult {
  /** Written under their plain names. */
  readonly copied: string[]
  /** There already, with the same bytes. */
  readonly unchanged: string[]
  /** Written under hashed names. */
  readonly postProcessed: string[]
  /** Names in the storage that were deleted. */
  readonly deleted: string[]
  /** Files that were not taken, because an earlier folder has one of that name. */
  readonly skipped: string[]
  /** URL paths of plain names whose content changed, for the invalidation of a CDN. */
  readonly invalidate: string[]
  readonly warnings: readonly StaticWarning[]
}

const argumentTypes: ArgumentTypes<CollectOptions> = {
  noInput: 'boolean',
  clear: 'boolean',
  dryRun: 'boolean',
  link: 'boolean',
  postProcess: 'boolean',
  useDefaultIgnore: 'boolean',
  keepGenerations: 'number',
  onWarning: 'function',
  onProgress: 'function',
  signal: 'signal',
  storage: 'object',
  dirs: 'unknown',
  ignore: 'unknown',
  missing: 'unknown',
  modules: 'unknown',
  html: 'unknown',
  svg: 'unknown',
  webManifests: 'unknown',
  cacheControl: 'unknown',
  hashedCacheControl: 'unknown',
  compress: 'unknown',
  integrity: 'unknown',
}

/**
 * Collects static files into a storage. With a manifest storage, every file is also stored under a
 * name that holds its hash, with its references rewritten. The manifest is written last, on the
 * condition that no other run was faster: until then the old site is in force, whole.
 *
 * @throws FileNotFoundError (policy `error`) naming every reference to a missing file; nothing was
 *   written
 * @throws PreconditionFailedError if another run finished meanwhile
 * @throws StorageError naming the files that could not be read or stored; the old manifest stays
 */
export async function collectStatic(options: CollectOptions = {}): Promise<CollectResult> {
  checkArguments('collectStatic', argumentTypes, options)
  options.signal?.throwIfAborted()
  checkGenerations(options.keepGenerations)
  const { signal } = options
  return await untilAborted(
    signal === undefined ? collect(options) : linked(options, signal),
    signal,
  )
}

/**
 * A run makes many requests at a time, and each listens to its signal: one of the run's own, so that
 * the caller's is listened to once, and Node takes nothing for a leak.
 */
async function linked(options: CollectOptions, caller: AbortSignal): Promise<CollectResult> {
  const own = linkSignals(caller)
  setMaxListeners(0, own.signal)
  try {
    return await collect({ ...options, signal: own.signal })
  } finally {
    own.release()
  }
}

function checkGenerations(count: number | undefined): void {
  if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) return
  throw new ValidationError(
    `The option keepGenerations of collectStatic must be a whole number of at least 1 (the current one), not ${count}.`,
    { operation: 'collectStatic' },
  )
}

async function collect(options: CollectOptions): Promise<CollectResult> {
  const { settings, call } = splitOptions(options)
  return await new Collection(await collectSettings(settings), call).run()
}

type CallOptions = Omit<CollectOptions, keyof SettingsOptions>

function splitOptions(options: CollectOptions): { settings: SettingsOptions; call: CallOptions } {
  const {
    noInput: _,
    clear,
    dryRun,
    link,
    postProcess,
    useDefaultIgnore,
    keepGenerations,
    onWarning,
    onProgress,
    signal,
    ...settings
  } = options
  const call = { clear, dryRun, link, postProcess, useDefaultIgnore, keepGenerations }
  return { settings, call: { ...call, onWarning, onProgress, signal } }
}

const noManifest: StoredManifest = { manifest: emptyManifest, etag: undefined }

/** One run. */
class Collection {
  readonly #settings: CollectSettings
  readonly #options: CallOptions
  readonly #keep: number | undefined
  readonly #hashing: boolean
  readonly #signal: AbortSignal | undefined
  readonly #links: FileLinks | undefined

  constructor(settings: CollectSettings, options: CallOptions) {
    this.#settings = settings
    this.#options = options
    this.#keep = options.keepGenerations ?? settings.manifest?.keepGenerations
    this.#hashing = settings.manifest !== undefined && options.postProcess !== false
    this.#signal = options.signal
    this.#links = options.link === true ? new FileLinks(settings.files) : undefined
  }

  async run(): Promise<CollectResult> {
    const found = this.#find()
    const before = await this.#read()
    const listing = this.#list(before.manifest)
    const [stored, collected] = await Promise.all([listing, this.#hash(found, before.manifest)])
    const warnings = [...found.warnings, ...collected.warnings]
    for (const warning of warnings) this.#options.onWarning?.(warning)
    const plan = await this.#plan(collected, stored, before.manifest)
    const next = this.#nextManifest(collected, before.manifest)
    const deleted = this.#deletions(plan, stored, before.manifest, next)
    const hashed = storedNames(before.manifest)
    const invalidate = await this.#changedPaths(plan, stored, deleted, hashed)
    const result = {
      ...resultOf(plan),
      deleted,
      skipped: shadowedNames(found),
      invalidate,
      warnings,
    }
    if (this.#options.dryRun === true) return result
    const publication = { settings: this.#settings, collected, plan, before, next, deleted }
    await publish({
      ...publication,
      hashing: this.#hashing,
      links: this.#links,
      signal: this.#signal,
      onProgress: this.#options.onProgress,
    })
    return result
  }

  async #read(): Promise<StoredManifest> {
    const { manifest } = this.#settings
    if (manifest === undefined) return noManifest
    const { dryRun, onWarning } = this.#options
    if (dryRun === true) return await manifest.read({ signal: this.#signal })
    const message =
      'another run deletes what no generation names, and is waited for (a minute at most)'
    return await readSettled(manifest, this.#signal, () =>
      onWarning?.({ file: manifest.manifestName, message }),
    )
  }

  #find(): FoundFiles {
    const { roots, ignore } = this.#settings
    this.#checkTarget()
    return findFiles({ roots, ignore, useDefaultIgnore: this.#options.useDefaultIgnore ?? true })
  }

  /** Django's check E002: collecting what was collected would never end. */
  #checkTarget(): void {
    const target = this.#localTarget()
    const root = this.#settings.roots.find(
      ({ dir }) => target !== undefined && isInside(target, dir),
    )
    if (root === undefined) return
    throw new ImproperlyConfigured(
      `The storage of static files (${target}) lies in a folder that is collected (${root.dir}).`,
      { setting: 'staticfiles.dirs' },
    )
  }

  #localTarget(): string | undefined {
    try {
      return realPlace(dirname(this.#settings.files.path('probe')))
    } catch {
      // A bucket has no path.
      return undefined
    }
  }

  async #list(previous: Manifest): Promise<StoredFiles> {
    return await StoredFiles.list(this.#settings.files, previous, this.#signal)
  }

  async #hash(found: FoundFiles, previous: Manifest): Promise<HashedFiles> {
    const { languages, integrity } = this.#settings
    const site = await this.#site()
    // Here, so that programs that only ask for URLs do not load the tokenizers.
    const { hashFiles } = await import('./hash-files.ts')
    return await hashFiles(found, {
      languages,
      integrity,
      site,
      previous,
      hashing: this.#hashing,
      signal: this.#signal,
    })
  }

  async #site(): Promise<HashOptions['site']> {
    const { files, missing, roots, staticUrl } = this.#settings
    return {
      missing,
      root: pathOnly(staticUrl ?? (await this.#publicPrefix())),
      searched: roots.map(({ prefix, dir }) => (prefix === '' ? dir : `${prefix} → ${dir}`)),
      // S3 reads a `+` in a path as a blank.
      plusIsBlank: files.backend.name.startsWith('s3('),
    }
  }

  /** What stands before the names in the storage's URLs. */
  async #publicPrefix(): Promise<string | undefined> {
    const { manifest, files } = this.#settings
    try {
      const url = await (manifest?.plainUrl('x') ?? files.url('x'))
      return url.endsWith('/x') ? url.slice(0, -1) : undefined
    } catch (error) {
      if (isStorageError(error)) return undefined
      throw error
    }
  }

  async #plan(
    collected: HashedFiles,
    stored: StoredFiles,
    previous: Manifest,
  ): Promise<UploadPlan> {
    const { delivery, manifest, files } = this.#settings
    const shares = manifest !== undefined && this.#hashing && manifest.manifestStorage === files
    return await planUploads({
      collected,
      stored,
      previous,
      delivery,
      knownNames: storedNames(previous),
      reserved: shares ? manifest.manifestName : undefined,
      afresh: this.#options.clear === true,
      isLinked: this.#links && (file => this.#links?.isLinked(file) === true),
      signal: this.#signal,
    })
  }

  #nextManifest(collected: HashedFiles, previous: Manifest): Manifest {
    const paths = withAliases(collected)
    const same = previous.hash !== '' && sameEntries(paths, previous.paths)
    const hash = same ? previous.hash : manifestHash(paths)
    return {
      paths,
      hash,
      created: same ? previous.created : new Date().toISOString(),
      integrity: collected.integrity,
      generations: same
        ? trimGenerations(previous, this.#keep)
        : generationsBehind(paths, previous, this.#keep),
      state: {
        rules: collected.rules,
        sources: collected.sources,
        problems: collected.problems,
        stored: {},
      },
      pruning: undefined,
    }
  }

  #deletions(plan: UploadPlan, stored: StoredFiles, before: Manifest, next: Manifest): string[] {
    const names = [...stored.names()]
    if (this.#options.clear === true) {
      const kept = this.#hashing ? storedNames(next) : new StoredNames()
      return names.filter(name => !plan.wanted.has(name) && !kept.has(name))
    }
    if (!this.#hashing) return []
    const left = new Set(before.pruning?.names)
    const isDropped = prunable(before, next)
    return names.filter(
      name =>
        (this.#keep !== undefined || left.has(name)) && isDropped(name) && !plan.wanted.has(name),
    )
  }

  /** Only what was there may lie in a cache. */
  async #changedPaths(
    plan: UploadPlan,
    stored: StoredFiles,
    deleted: readonly string[],
    hashed: StoredNames,
  ): Promise<string[]> {
    const changed = plan.plain.map(({ target }) => target).filter(name => stored.has(name))
    const plain = deleted.filter(name => !hashed.has(name))
    if (changed.length + plain.length === 0) return []
    const prefix = (await this.#publicPrefix()) ?? '/'
    const path = new URL(prefix, 'http://localhost').pathname
    return [...changed, ...plain].map(name => path + filepathToUri(name))
  }
}

/** Where a folder really is, or will be: it may not exist yet. */
function realPlace(folder: string): string {
  const parent = dirname(folder)
  if (existsSync(folder) || parent === folder) return realpathSync(folder)
  return join(realPlace(parent), basename(folder))
}

function resultOf(plan: UploadPlan): Pick<CollectResult, 'copied' | 'unchanged' | 'postProcessed'> {
  return {
    copied: namesOf(plan.plain),
    unchanged: [...plan.unchanged],
    postProcessed: namesOf(plan.hashed),
  }
}

/** Each once, whatever forms it is stored in. */
function namesOf(uploads: readonly Upload[]): string[] {
  return [...new Set(uploads.map(({ file }) => file.name))]
}

function shadowedNames({ shadowed }: FoundFiles): string[] {
  return [...new Set(shadowed.map(({ name }) => name))]
}

/** The paths, and those of a bundler's sources. */
function withAliases({ files, paths }: HashedFiles): ReadonlyMap<string, string> {
  const all = new Map(paths)
  for (const { prefix, build } of new Set([...files.values()].map(({ root }) => root))) {
    for (const [source, output] of build?.aliases ?? []) {
      const stored = paths.get(prefix + output)
      if (stored !== undefined && !all.has(prefix + source)) all.set(prefix + source, stored)
    }
  }
  return all
}

/** A host of its own leads to no path of another one. */
function pathOnly(url: string | undefined): string | undefined {
  if (url === undefined || !url.startsWith('/') || url.startsWith('//')) return undefined
  return url.endsWith('/') ? url : `${url}/`
}
