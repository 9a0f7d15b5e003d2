import { FileNotFoundError, hasCode, UnsupportedError } from '../core/errors.ts'
import { filepathToUri, parseReadName } from '../core/names.ts'
import { quoteName } from '../core/quote.ts'
import type { Storage, UrlOptions } from '../core/storage.ts'
import { emptyManifest, type Manifest, parseManifest } from './manifest.ts'

/** On every storage that has a manifest, whichever installed copy made it. */
export const manifestKey: unique symbol = Symbol.for('stowage.manifest')

/** A storage whose URLs lead to hashed names. */
export interface ManifestStorage extends Storage {
  readonly [manifestKey]: StaticManifest
}

export function hasManifest(storage: Storage): storage is ManifestStorage {
  return manifestKey in storage
}

export interface StaticManifestOptions {
  /** Name of the manifest. Default `staticfiles.json`. */
  readonly manifestName?: string | undefined
  /** Whether a name that the manifest lacks is an error in `url`. Default true. */
  readonly strict?: boolean | undefined
  /**
   * Generations that are kept, the current one included: what older ones alone name is deleted by
   * `collectStatic`. Default: nothing is deleted.
   */
  readonly keepGenerations?: number | undefined
  /** Where the manifest is, if not among the files. */
  readonly manifestStorage?: Storage | undefined
  /** Seconds after which a loaded manifest is asked for again. Default 10; `null`: never. */
  readonly refresh?: number | null | undefined
}

/** A manifest with the version that it was read at. */
export interface StoredManifest {
  readonly manifest: Manifest
  /** `undefined`: there is none. */
  readonly etag: string | undefined
}

export const defaultManifestName = 'staticfiles.json'
const defaultRefresh = 10
/**
 * New manifests whose lacking names are remembered. A server that sees more of them, each with fewer
 * names, runs old code for long, or never ends: what it remembers must not grow without end.
 */
const rememberedReleases = 10

/** How the files' storage writes URLs, found out once, so that URLs need not wait for it. */
interface UrlForm {
  readonly prefix: string
  /** Whether `!*'()` are escaped, as S3 hosts want it. */
  readonly strictEscapes: boolean
}

/**
 * The manifest of a storage: loaded at the first use, and again when it changed. While a loaded one
 * can be used, a failure to look again is no failure.
 */
export class StaticManifest {
  /** Where the files are, under their hashed names. */
  readonly files: Storage
  readonly manifestStorage: Storage
  readonly manifestName: string
  readonly strict: boolean
  readonly keepGenerations: number | undefined
  readonly #refresh: number | null
  readonly #plainUrl: (name: string, options?: UrlOptions) => Promise<string>
  #stored: StoredManifest | undefined
  #checked = 0
  #loading: Promise<StoredManifest> | undefined
  /**
   * Names that manifests lacked which were put in force meanwhile, and what they led to before, the
   * last ones first: a server of the old release goes on for a while, and its pages are asked for.
   */
  #earlier: readonly ReadonlyMap<string, string>[] = []
  #form: UrlForm | undefined

  /** @param plainUrl URL of a file as it is stored; default: as `files` gives it */
  constructor(
    files: Storage,
    options: StaticManifestOptions,
    plainUrl: (name: string, options?: UrlOptions) => Promise<string> = (name, urlOptions) =>
      files.url(name, urlOptions),
  ) {
    this.files = files
    this.manifestStorage = options.manifestStorage ?? files
    this.manifestName = options.manifestName ?? defaultManifestName
    this.strict = options.strict ?? true
    this.keepGenerations = options.keepGenerations
    this.#refresh = options.refresh === undefined ? defaultRefresh : options.refresh
    this.#plainUrl = plainUrl
  }

  /** The manifest, loaded if need be. A missing one has no names. */
  async load(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Manifest> {
    if (this.#stored !== undefined && !this.#isDue()) return this.#stored.manifest
    try {
      this.#loading ??= this.#loadOnce()
      return (await this.#loading).manifest
    } catch (error) {
      options.signal?.throwIfAborted()
      if (this.#stored === undefined) throw error
      return this.#stored.manifest
    }
  }

  /** Reads the manifest anew, with its version. */
  async read(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<StoredManifest> {
    const storage = this.manifestStorage
    try {
      // In this order: a version that is older than the text makes a later write fail, not win.
      const { etag } = await storage.stat(this.manifestName, options)
      const text = await readText(storage, this.manifestName, options)
      return { manifest: parseManifest(text, this.manifestName), etag: etag ?? '' }
    } catch (error) {
      if (hasCode(error, 'ERR_STORAGE_FILE_NOT_FOUND'))
        return { manifest: emptyManifest, etag: undefined }
      throw error
    }
  }

  /** What a program wrote itself need not be read again. */
  replace(stored: StoredManifest): void {
    this.#stored = stored
    this.#checked = Date.now()
  }

  /**
   * URL of a name's hashed file; a query and a fragment are kept.
   *
   * @throws FileNotFoundError for a name that a strict manifest lacks
   */
  async url(name: string, options: UrlOptions = {}): Promise<string> {
    const { signal } = options
    const { paths } = await this.load({ signal })
    const found = findName(paths, name) ?? this.#findEarlier(name)
    if (found === undefined) return await this.#plainUrl(this.#lenient(name), options)
    const url = await this.#plainUrl(found.stored, options)
    if (found.suffix.startsWith('?') && url.includes('?')) throw noQuery(name)
    return url + found.suffix
  }

  /** Whether the manifest knows a name, with or without a query and a fragment. */
  async has(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    return findName((await this.load(options)).paths, name) !== undefined
  }

  /** URL of a file under the name that it is stored under. */
  async plainUrl(name: string, options?: UrlOptions): Promise<string> {
    return await this.#plainUrl(name, options)
  }

  /** Loads what {@link urlSync} needs. */
  async prepareSync(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    // Who asks for a site that was not there wants to know whether it is there by now.
    if (this.#stored?.etag === undefined) this.#stored = undefined
    await this.load(options)
    this.#form ??= await this.#findForm()
  }

  /**
   * As {@link url} from what is loaded, which is asked for again in the background.
   *
   * @throws UnsupportedError while nothing is loaded, and for storages whose URLs are signed
   */
  urlSync(name: string): string {
    const { prefix, strictEscapes } = this.#form ?? {}
    if (this.#stored === undefined || prefix === undefined)
      throw new UnsupportedError(
        'The manifest is not loaded yet: call await staticUrl.load() first.',
        { operation: 'staticUrl.sync', file: name },
      )
    if (this.#isDue()) void this.load().catch(() => {})
    const { paths } = this.#stored.manifest
    const found = findName(paths, name) ?? this.#findEarlier(name) ?? this.#plain(name)
    const path = filepathToUri(found.stored)
    return prefix + (strictEscapes === true ? escapeStrictly(path) : path) + found.suffix
  }

  #isDue(): boolean {
    return this.#refresh !== null && Date.now() - this.#checked >= this.#refresh * 1000
  }

  async #loadOnce(): Promise<StoredManifest> {
    try {
      const before = this.#stored
      const current = before?.etag === undefined ? undefined : await this.#currentVersion()
      const stored =
        before !== undefined && current === before.etag && current !== ''
          ? before
          : await this.read()
      if (before !== undefined) this.#rememberNames(before.manifest, stored.manifest)
      this.replace(stored)
      return stored
    } finally {
      // Also after a failure, so that a service that is down is not asked at every call.
      this.#checked = Date.now()
      this.#loading = undefined
    }
  }

  async #currentVersion(): Promise<string | undefined> {
    return (await this.manifestStorage.stat(this.manifestName)).etag
  }

  #rememberNames(before: Manifest, after: Manifest): void {
    if (before === after) return
    const dropped = new Map([...before.paths].filter(([name]) => !after.paths.has(name)))
    if (dropped.size > 0) this.#earlier = [dropped, ...this.#earlier].slice(0, rememberedReleases)
  }

  #findEarlier(name: string): { stored: string; suffix: string } | undefined {
    for (const paths of this.#earlier) {
      const found = findName(paths, name)
      if (found !== undefined) return found
    }
    return undefined
  }

  #lenient(name: string): string {
    if (!this.strict) return name
    throw new FileNotFoundError(
      `The manifest ${quoteName(this.manifestName)} has no ${quoteName(splitName(name).base)}: was collectstatic run?`,
      { operation: 'url', file: name },
    )
  }

  #plain(name: string): { stored: string; suffix: string } {
    const { base, suffix } = splitName(name)
    return { stored: parseReadName(this.#lenient(base)), suffix }
  }

  async #findForm(): Promise<UrlForm> {
    const probe = "a'b"
    const url = await this.#plainUrl(probe)
    const ending = [probe, escapeStrictly(probe)].find(form => url.endsWith(`/${form}`))
    if (ending === undefined)
      throw new UnsupportedError(
        'URLs of this storage are signed, one by one: staticUrl.sync cannot make them. Use a storage with public URLs (querystringAuth: false), or await staticUrl(…).',
        { operation: 'staticUrl.sync' },
      )
    return { prefix: url.slice(0, -ending.length), strictEscapes: ending !== probe }
  }
}

function findName(
  paths: ReadonlyMap<string, string>,
  name: string,
): { stored: string; suffix: string } | undefined {
  const exact = paths.get(name)
  if (exact !== undefined) return { stored: exact, suffix: '' }
  const { base, suffix } = splitName(name)
  // A folder is never hashed.
  if (base.endsWith('/')) return { stored: base, suffix }
  const stored = paths.get(base) ?? paths.get(decode(base))
  return stored === undefined ? undefined : { stored, suffix }
}

async function readText(
  storage: Storage,
  name: string,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const reader = await storage.open(name, 'r', options)
  try {
    return await reader.read()
  } finally {
    await reader.close()
  }
}

/** Whether a URL has nothing to do with the manifest: of a file to be written, or asked for wrongly. */
export function isForStorage(name: unknown, options: UrlOptions | null): boolean {
  return typeof name !== 'string' || options === null || options.method === 'PUT'
}

/** A name as an application writes it, with a query and a fragment. */
export function splitName(name: string): { readonly base: string; readonly suffix: string } {
  const at = name.search(/[?#]/)
  return at < 0 ? { base: name, suffix: '' } : { base: name.slice(0, at), suffix: name.slice(at) }
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function escapeStrictly(path: string): string {
  return path.replaceAll(/[!*'()]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function noQuery(name: string): UnsupportedError {
  return new UnsupportedError(
    `${quoteName(name)} has a query, and a signed URL cannot take another one.`,
    { operation: 'url', file: name },
  )
}
