import { ImproperlyConfigured } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { md5 } from './digest.ts'
import { shortHash } from './hashed-name.ts'
import type { ScanProblem } from './references/reference.ts'

/** What the manifest knows of a generation before the current one. */
export interface Generation {
  /** Hash of its paths. */
  readonly hash: string
  /** When it was collected, as ISO 8601. */
  readonly created: string
  /** Whether a rollback left it: it is kept, and no later rollback goes there. */
  readonly undone?: boolean | undefined
  /**
   * How its paths differ from those of the next newer generation; `null`: it had no such name.
   * So an unchanged name costs nothing, however many generations are kept.
   */
  readonly differs: Readonly<Record<string, string | null>>
}

/**
 * What `collectStatic` wrote down so that an unchanged file need not be looked at again. It is
 * valid only for the same {@link CollectedState.rules}.
 */
export interface CollectedState {
  /** Under which rules references were looked for: another text makes everything be read anew. */
  readonly rules: string
  /**
   * Files that name others: MD5 of the source, then the names that it refers to. Only the digest:
   * it has to be read again (a reference was missing, it did not parse).
   */
  readonly sources: Readonly<Record<string, readonly string[]>>
  /** What was not understood in files that need not be read again: it is said at every run. */
  readonly problems: Readonly<Record<string, readonly ScanProblem[]>>
  /** What is not stored as its source is: MD5 of the stored bytes and of the source, by stored name. */
  readonly stored: Readonly<Record<string, readonly [stored: string, source: string, size: number]>>
}

/** Files that no generation names any more, and that go. */
export interface Pruning {
  readonly names: readonly string[]
  /** Whether a run is deleting them; what one has left is for the next. */
  readonly running: boolean
}

/** Names of static files and what they are stored under: Django's `staticfiles.json`, version 1.1. */
export interface Manifest {
  readonly paths: ReadonlyMap<string, string>
  /** Of the paths, as Django's `manifest_hash`; '' in a manifest of version 1.0. */
  readonly hash: string
  readonly created: string | undefined
  /** SRI hashes by name. */
  readonly integrity: ReadonlyMap<string, string>
  /** Newest first. */
  readonly generations: readonly Generation[]
  readonly state: CollectedState | undefined
  readonly pruning: Pruning | undefined
}

export const emptyManifest: Manifest = {
  paths: new Map(),
  hash: '',
  created: undefined,
  integrity: new Map(),
  generations: [],
  state: undefined,
  pruning: undefined,
}

/**
 * Reads `staticfiles.json` of version 1.0 or 1.1, written here or by Django.
 *
 * @throws ImproperlyConfigured for another version and for what is no manifest
 */
export function parseManifest(text: string, name: string): Manifest {
  const content = parseJson(text, name)
  const { version, paths } = content
  if (version !== '1.0' && version !== '1.1') {
    const found = typeof version === 'string' ? JSON.stringify(version) : 'none'
    throw unreadable(name, `its version is ${found}, and 1.0 and 1.1 are known`)
  }
  if (!isTextRecord(paths)) throw unreadable(name, 'its "paths" is no object of names')
  return {
    paths: new Map(Object.entries(paths)),
    hash: typeof content['hash'] === 'string' ? content['hash'] : '',
    created: typeof content['created'] === 'string' ? content['created'] : undefined,
    integrity: new Map(
      isTextRecord(content['integrity']) ? Object.entries(content['integrity']) : [],
    ),
    generations: Array.isArray(content['generations'])
      ? content['generations'].filter(isGeneration)
      : [],
    state: isState(content['state']) ? content['state'] : undefined,
    pruning: isPruning(content['pruning']) ? content['pruning'] : undefined,
  }
}

/** The text of the file: keys sorted, so that the same files give the same bytes but for the time. */
export function formatManifest(manifest: Manifest): string {
  const { paths, hash, created, integrity, generations, state, pruning } = manifest
  return JSON.stringify({
    paths: sortedRecord(paths),
    version: '1.1',
    hash,
    created,
    integrity: integrity.size === 0 ? undefined : sortedRecord(integrity),
    generations: generations.length === 0 ? undefined : generations,
    state,
    pruning,
  })
}

/** Whether two manifests are written alike. */
export function sameManifest(a: Manifest, b: Manifest): boolean {
  return (
    a.hash === b.hash &&
    a.created === b.created &&
    sameEntries(a.paths, b.paths) &&
    sameEntries(a.integrity, b.integrity) &&
    JSON.stringify([a.generations, a.state, a.pruning]) ===
      JSON.stringify([b.generations, b.state, b.pruning])
  )
}

/** Whether two maps hold the same, in whatever order. */
export function sameEntries(
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
): boolean {
  if (a.size !== b.size) return false
  for (const [name, value] of a) if (b.get(name) !== value) return false
  return true
}

/**
 * Django's hash of a manifest: of the sorted pairs as Python's `json.dumps` writes them. Sorting
 * is by code point.
 */
export function manifestHash(paths: ReadonlyMap<string, string>): string {
  const pairs = [...paths]
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(pair => `[${pair.map(pythonString).join(', ')}]`)
  return shortHash(md5(`[${pairs.join(', ')}]`))
}

/** UTF-16 order differs from that of code points for surrogates alone. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at)
    const right = b.charCodeAt(at)
    if (left === right) continue
    const leftPair = left >= 0xd800 && left <= 0xdfff
    const rightPair = right >= 0xd800 && right <= 0xdfff
    return leftPair === rightPair ? left - right : leftPair ? 1 : -1
  }
  return a.length - b.length
}

function sortedRecord(map: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...map].sort(([a], [b]) => compareCodePoints(a, b)))
}

function pythonString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function parseJson(text: string, name: string): Record<string, unknown> {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw unreadable(name, 'it is no JSON', cause)
  }
  if (!isRecord(content)) throw unreadable(name, 'it is no JSON object')
  return content
}

function unreadable(name: string, reason: string, cause?: unknown): ImproperlyConfigured {
  return new ImproperlyConfigured(`The manifest ${quoteName(name)} cannot be read: ${reason}.`, {
    setting: 'manifestName',
    file: name,
    cause,
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTextRecord(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every(item => typeof item === 'string')
}

function isGeneration(value: unknown): value is Generation {
  return (
    isRecord(value) &&
    typeof value['hash'] === 'string' &&
    typeof value['created'] === 'string' &&
    isRecord(value['differs']) &&
    Object.values(value['differs']).every(item => item === null || typeof item === 'string')
  )
}

function isPruning(value: unknown): value is Pruning {
  return isRecord(value) && isTexts(value['names']) && typeof value['running'] === 'boolean'
}

function isState(value: unknown): value is CollectedState {
  return (
    isRecord(value) &&
    typeof value['rules'] === 'string' &&
    isRecord(value['sources']) &&
    Object.values(value['sources']).every(isTexts) &&
    isRecord(value['problems']) &&
    Object.values(value['problems']).every(isProblems) &&
    isRecord(value['stored']) &&
    Object.values(value['stored']).every(item => Array.isArray(item) && item.length === 3)
  )
}

function isProblems(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      item =>
        isRecord(item) && typeof item['line'] === 'number' && typeof item['message'] === 'string',
    )
  )
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
