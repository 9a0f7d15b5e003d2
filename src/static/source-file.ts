import { createReadStream, readFileSync, statSync } from 'node:fs'
import type { Bytes } from '../core/bytes.ts'
import { FileChangedError, isStorageError, StorageError } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { md5, md5Hash } from './digest.ts'
import type { FoundFile } from './finders.ts'

/** A file that is collected, with what its bytes are named by. */
export interface SourceFile extends FoundFile {
  readonly size: number
  /** MD5 of its bytes. */
  readonly digest: string
  readonly language: Language | undefined
}

/** What a file is searched for references as. */
export type Language = 'css' | 'script' | 'module' | 'html' | 'svg' | 'web-manifest'

/** Which files are searched for references, besides style sheets. */
export interface LanguageOptions {
  readonly modules: boolean
  readonly html: boolean
  readonly svg: boolean
  readonly webManifests: boolean
}

/** Bytes up to which a file is read in one go; larger ones are read in pieces, here and on their way. */
export const wholeLimit: number = 4 * 1024 * 1024

/** What a name is searched as. By lower-case suffix alone, as Django. */
export function languageOf(name: string, options: LanguageOptions): Language | undefined {
  const suffix = /\.[^./]+$/.exec(name)?.[0]
  if (suffix === '.css') return 'css'
  if (suffix === '.js') return options.modules ? 'module' : 'script'
  if (suffix === '.mjs' && options.modules) return 'module'
  if ((suffix === '.html' || suffix === '.htm') && options.html) return 'html'
  if (suffix === '.svg' && options.svg) return 'svg'
  return suffix === '.webmanifest' && options.webManifests ? 'web-manifest' : undefined
}

/**
 * Reads and hashes a file.
 *
 * @returns its bytes, too, unless it is large
 * @throws StorageError naming a file that cannot be read
 */
export async function readSource(
  found: FoundFile,
  language: Language | undefined,
): Promise<{ readonly file: SourceFile; readonly bytes: Bytes | undefined }> {
  try {
    const { size } = statSync(found.path)
    if (size > wholeLimit) return { file: await hashLarge(found, language), bytes: undefined }
    const bytes = new Uint8Array(readFileSync(found.path))
    const file = { ...found, language, size: bytes.byteLength, digest: md5(bytes) }
    return { file, bytes }
  } catch (error) {
    throw unreadable(found, error)
  }
}

/**
 * The bytes of a file that was read before.
 *
 * @throws FileChangedError if they are others now
 */
export function readAgain(file: SourceFile): Bytes {
  let bytes: Bytes
  try {
    bytes = new Uint8Array(readFileSync(file.path))
  } catch (error) {
    throw unreadable(file, error)
  }
  if (md5(bytes) !== file.digest) throw changed(file)
  return bytes
}

/** The same for a large file, piece by piece: the last piece is held back until all are right. */
export async function* streamAgain(file: SourceFile): AsyncGenerator<Uint8Array> {
  const hash = md5Hash()
  let last: Uint8Array | undefined
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: 1024 * 1024 })) {
      if (!(chunk instanceof Uint8Array)) continue
      hash.update(chunk)
      if (last !== undefined) yield last
      last = chunk
    }
  } catch (error) {
    throw unreadable(file, error)
  }
  if (hash.digest('hex') !== file.digest) throw changed(file)
  if (last !== undefined) yield last
}

async function hashLarge(found: FoundFile, language: Language | undefined): Promise<SourceFile> {
  const hash = md5Hash()
  let size = 0
  for await (const chunk of createReadStream(found.path, { highWaterMark: 1024 * 1024 })) {
    if (!(chunk instanceof Uint8Array)) continue
    hash.update(chunk)
    size += chunk.byteLength
  }
  return { ...found, language, size, digest: hash.digest('hex') }
}

function unreadable(file: FoundFile, error: unknown): StorageError {
  if (isStorageError(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new StorageError(`${quoteName(file.name)} cannot be read: ${reason}`, {
    operation: 'collectStatic',
    file: file.name,
    cause: error,
  })
}

function changed(file: FoundFile): FileChangedError {
  return new FileChangedError(
    `${quoteName(file.name)} (${file.path}) was changed while it was collected.`,
    { operation: 'collectStatic', file: file.name },
  )
}
