import type {
  Capabilities,
  FileProperties,
  OperationOptions,
  WriteCondition,
  WriteOptions,
} from './backend.ts'
import type { ContentSource } from './content.ts'
import { UnsupportedError, ValidationError } from './errors.ts'
import { type ArgumentTypes, checkArguments, showArgument } from './options.ts'

export interface SaveOptions extends OperationOptions, FileProperties {
  /** Longest name in code points; a longer one loses the end of its root, never its extension. */
  readonly maxLength?: number | undefined
  /** Canned ACL, such as `public-read`. Storages without ACLs refuse it. */
  readonly acl?: string | undefined
  /** Whether a file of that name is replaced; default: the storage's `fileOverwrite`. */
  readonly overwrite?: boolean | undefined
  /** Version (`FileStat.etag`) that must be there to be replaced. Implies `overwrite`. */
  readonly ifMatch?: string | undefined
  /**
   * `loaded` and `total` in bytes; `total` is missing for streams. What it throws does not touch
   * the save: it is an uncaught exception, as of an event listener.
   */
  readonly onProgress?:
    | ((progress: { readonly loaded: number; readonly total?: number }) => void)
    | undefined
}

/** All but `signal` only for writing. */
export type OpenOptions = Omit<SaveOptions, 'onProgress'>

export interface UrlOptions extends OperationOptions {
  /** Seconds, at least 1. Public URLs (disk, memory, custom domains) do not expire. */
  readonly expiresIn?: number | undefined
  readonly parameters?: Record<string, string | number | Record<string, string>> | undefined
  readonly method?: 'GET' | 'HEAD' | 'PUT' | undefined
  /** Lets the browser download instead of show: under this name, or `true`: the file's own. */
  readonly download?: string | true | undefined
}

export interface ListOptions extends OperationOptions {
  /** Whether files in folders below are listed, too. Default false. */
  readonly recursive?: boolean | undefined
}

export interface CleanupOptions extends OperationOptions {
  /** Seconds, default 86,400. */
  readonly olderThan?: number | undefined
}

/**
 * The options of a method of `Storage`, by its name.
 *
 * @throws ValidationError for an unknown option (with the nearest known one) or a wrong type
 */
export function checkMethodOptions(operation: string, options: OperationOptions): void {
  checkArguments(operation, methodArguments[operation] ?? signalOnly, options)
}

const signalOnly: ArgumentTypes<OperationOptions> = { signal: 'signal' }
const openArguments: ArgumentTypes<OpenOptions> = {
  maxLength: 'number',
  contentType: 'string',
  contentEncoding: 'string',
  cacheControl: 'string',
  contentDisposition: 'string',
  metadata: 'object',
  acl: 'string',
  overwrite: 'boolean',
  ifMatch: 'string',
  signal: 'signal',
}
const saveArguments: ArgumentTypes<SaveOptions> = { ...openArguments, onProgress: 'function' }
const listArguments: ArgumentTypes<ListOptions> = { recursive: 'boolean', signal: 'signal' }
const availableNameArguments: ArgumentTypes<{ maxLength?: number; signal?: AbortSignal }> = {
  maxLength: 'number',
  signal: 'signal',
}
const urlArguments: ArgumentTypes<UrlOptions> = {
  expiresIn: 'number',
  parameters: 'object',
  method: 'string',
  download: 'unknown',
  signal: 'signal',
}
const cleanupArguments: ArgumentTypes<CleanupOptions> = { olderThan: 'number', signal: 'signal' }
/** Of the methods that take more than a signal. */
const methodArguments: Readonly<Record<string, ArgumentTypes<OperationOptions> | undefined>> = {
  open: openArguments,
  save: saveArguments,
  list: listArguments,
  url: urlArguments,
  getAvailableName: availableNameArguments,
  cleanupUploads: cleanupArguments,
}

/** From JavaScript the options and the signal may be anything; {@link checkArguments} says so. */
export function signalOf(options: OperationOptions | null): AbortSignal | undefined {
  const signal: unknown = options?.signal
  return signal instanceof AbortSignal ? signal : undefined
}

export function conditionOf(options: SaveOptions): WriteCondition {
  return options.ifMatch === undefined ? undefined : { ifMatch: options.ifMatch }
}

/** What a backend is to call while it writes. */
export function progressOf(
  source: ContentSource,
  onProgress: SaveOptions['onProgress'],
): WriteOptions['onProgress'] {
  if (onProgress === undefined) return undefined
  const { size } = source
  return loaded => {
    try {
      onProgress(size === undefined ? { loaded } : { loaded, total: size })
    } catch (error) {
      // As of an event listener: the bytes are stored, whatever their observer does.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

export function checkCondition(options: SaveOptions, capabilities: Capabilities): void {
  if (options.ifMatch === undefined) return
  if (options.overwrite === false) {
    throw new ValidationError(
      'Options "ifMatch" and "overwrite: false" contradict each other: ifMatch replaces a version.',
    )
  }
  if (!capabilities.ifMatch)
    throw new UnsupportedError('This storage cannot check a version (ifMatch) when it writes.')
}

export function checkReadingOptions(options: OpenOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (name === 'signal' || value === undefined) continue
    throw new ValidationError(`Option "${name}" of open() is only for writing.`)
  }
}

export function checkUrlOptions(options: UrlOptions): void {
  const { expiresIn, method, download } = options
  if (expiresIn !== undefined && !(Number.isSafeInteger(expiresIn) && expiresIn >= 1)) {
    throw new ValidationError(
      `expiresIn is a whole number of seconds of at least 1, not ${expiresIn}.`,
    )
  }
  if (method !== undefined && !['GET', 'HEAD', 'PUT'].includes(method)) {
    throw new ValidationError(`method is 'GET', 'HEAD' or 'PUT', not ${showArgument(method)}.`)
  }
  if (download !== undefined && download !== true && typeof download !== 'string') {
    throw new ValidationError('download is a file name or true.')
  }
}
