import { utf8Length } from './bytes.ts'
import { SuspiciousFileOperation } from './errors.ts'
import { kindOf } from './options.ts'
import { quoteName } from './quote.ts'

declare const checked: unique symbol

/**
 * A name that passed one of the doors below. At run time it is the very text that was given:
 * names are accepted or refused, never rewritten.
 */
export type Name = string & { readonly [checked]: 'Name' }

/** A folder by type: `''` (the root) or a name that ends in `/`, so that `a` never reaches `ab`. */
export type Folder = '' | `${string}/`

/** What a storage can hold; lengths in UTF-8 bytes. */
export interface NameLimits {
  readonly maxNameBytes: number
  readonly maxSegmentBytes: number | undefined
}

/** S3's limit for a key, taken as the limit for every name (S3 User Guide, "Object key names"). */
export const maxKeyBytes = 1024

/**
 * The door for names to be written. Refused are the empty name, `.` and `..` segments, a leading,
 * trailing or double `/`, `\`, control characters, lone surrogates and what is too long.
 *
 * @throws SuspiciousFileOperation naming the rule
 */
export function parseWriteName(name: unknown, limits: NameLimits): Name {
  const problem = typeof name === 'string' ? findWriteProblem(name, limits) : notText(name)
  if (problem !== undefined) throw refusal(name, problem)
  return name as Name
}

/** Limits of a name that is going to be shortened: only its shape is looked at. */
export const noLimits: NameLimits = {
  maxNameBytes: Number.POSITIVE_INFINITY,
  maxSegmentBytes: undefined,
}

/** Whether a storage could hold a name of that length. */
export function fitsLimits(name: string, limits: NameLimits): boolean {
  return findLengthProblem(name, limits) === undefined
}

/**
 * The door for names to be read, deleted or linked to: everything that a bucket can hold below
 * the location. Refused are what is empty or starts with `/`, `.` and `..` segments, NUL and lone
 * surrogates.
 *
 * @throws SuspiciousFileOperation naming the rule
 */
export function parseReadName(name: unknown): Name {
  if (typeof name === 'string' && !remarkable.test(name)) return name as Name
  const problem = typeof name === 'string' ? findReadProblem(name) : notText(name)
  if (problem !== undefined) throw refusal(name, problem)
  return name as Name
}

/**
 * The door for folders to be listed: `''` is the root; a final `/` is added.
 *
 * @throws SuspiciousFileOperation as {@link parseReadName}
 */
export function parseFolder(folder: unknown): Folder {
  if (folder === '') return ''
  const name = parseReadName(folder)
  return name.endsWith('/') ? (name as string as Folder) : `${name}/`
}

/**
 * Where the plain cases end, in one look: a character that could break a rule of either door, or
 * an empty, `.` or `..` segment.
 */
const remarkable = /[^\u0020-\u005b\u005d-\u007e]|(?:^|\/)\.{0,2}(?:\/|$)/

function findReadProblem(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.startsWith('/')) return 'it starts with "/"'
  if (name.includes('\0')) return 'it contains a NUL character'
  if (/\p{Surrogate}/u.test(name)) return 'it contains a lone surrogate'
  if (/(^|\/)\.\.?(\/|$)/.test(name)) return 'it contains a "." or ".." segment'
  return undefined
}

function findWriteProblem(name: string, limits: NameLimits): string | undefined {
  const problem = remarkable.test(name)
    ? (findReadProblem(name) ?? findShapeProblem(name))
    : undefined
  return problem ?? findLengthProblem(name, limits)
}

function findShapeProblem(name: string): string | undefined {
  if (name.endsWith('/')) return 'it ends with "/"'
  if (name.includes('//')) return 'it contains an empty segment ("//")'
  if (name.includes('\\')) return 'it contains a backslash'
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'it contains a control character'
  return undefined
}

function findLengthProblem(name: string, limits: NameLimits): string | undefined {
  const { maxNameBytes, maxSegmentBytes } = limits
  // A UTF-16 unit is at most three bytes, so short names need no counting.
  if (name.length * 3 > maxNameBytes && utf8Length(name) > maxNameBytes) {
    return `it is longer than ${maxNameBytes} bytes`
  }
  if (maxSegmentBytes === undefined || name.length * 3 <= maxSegmentBytes) return undefined
  const long = name.split('/').some(segment => utf8Length(segment) > maxSegmentBytes)
  return long ? `a part of it is longer than ${maxSegmentBytes} bytes` : undefined
}

/** @throws SuspiciousFileOperation for what is no text */
export function checkText(name: unknown): void {
  if (typeof name !== 'string') throw refusal(name, notText(name))
}

function notText(name: unknown): string {
  return `it is ${kindOf(name)}, not a string`
}

function refusal(name: unknown, problem: string): SuspiciousFileOperation {
  const file = typeof name === 'string' ? name : undefined
  const shown = file === undefined ? 'This file name' : `File name ${quoteName(file)}`
  return new SuspiciousFileOperation(`${shown} is refused: ${problem}.`, { file })
}

/** What Python's `str.strip` takes off: more than JavaScript's `trim`, but not U+FEFF. */
const space = /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/**
 * One segment of a name as Django's `get_valid_name` makes it: outer white space goes, blanks
 * become `_`, and only letters, digits, `_`, `-` and `.` stay.
 *
 * @throws SuspiciousFileOperation when nothing remains, and for what is no text
 */
export function validName(name: string): string {
  checkText(name)
  const valid = withoutOuterSpace(name)
    .replaceAll(' ', '_')
    .replace(/[^-.\p{L}\p{N}_]/gu, '')
  if (valid === '' || valid === '.' || valid === '..') throw noFileName(name)
  return valid
}

/** Not one regular expression: `\s+$` tries anew at every blank of a name full of them. */
function withoutOuterSpace(name: string): string {
  let start = 0
  let end = name.length
  while (start < end && space.test(name.charAt(start))) start++
  while (end > start && space.test(name.charAt(end - 1))) end--
  return name.slice(start, end)
}

/**
 * A name as Django's `generate_filename` makes it from what a user sent: `\` becomes `/`, the last
 * segment goes through `toValidName`, `.` segments and double slashes go.
 *
 * @throws SuspiciousFileOperation for `..`, an absolute name, or when no file name remains
 */
export function generateFilename(name: string, toValidName: (segment: string) => string): string {
  checkText(name)
  const slashed = name.replaceAll('\\', '/')
  if (slashed.startsWith('/')) throw refusal(name, 'it starts with "/"')
  const segments = slashed.split('/')
  const last = segments.pop() ?? ''
  if (segments.includes('..')) throw refusal(name, 'it contains a ".." segment')
  const folders = segments.filter(segment => segment !== '' && segment !== '.')
  return [...folders, toValidName(last)].join('/')
}

/** Directory (with its `/`, or empty), root and extension of a name. */
export interface NameParts {
  readonly directory: string
  readonly root: string
  readonly extension: string
}

/** Splits off all suffixes (`report`, `.tar.gz`), as Django since 5.1. */
export function splitAllSuffixes(name: string): NameParts {
  return splitName(name, file => {
    if (file.endsWith('.')) return file.length
    const start = /^\.*/.exec(file)?.[0].length ?? 0
    const dot = file.indexOf('.', start)
    return dot === -1 ? file.length : dot
  })
}

/** Splits off the last suffix (`report.tar`, `.gz`), as Python's `os.path.splitext`. */
function splitLastSuffix(name: string): NameParts {
  return splitName(name, file => {
    const dot = file.lastIndexOf('.')
    return dot > 0 && /[^.]/.test(file.slice(0, dot)) ? dot : file.length
  })
}

function splitName(name: string, extensionStart: (file: string) => number): NameParts {
  const slash = name.lastIndexOf('/') + 1
  const file = name.slice(slash)
  const dot = extensionStart(file)
  return { directory: name.slice(0, slash), root: file.slice(0, dot), extension: file.slice(dot) }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** `_` and seven characters: what an alternative name has more than the name that was taken. */
const suffixLength = 8

/** `root_XXXXXXX.ext`: seven letters or digits from a cryptographic source, as Django since 2014. */
export function alternativeName(root: string, extension: string): string {
  checkText(root)
  checkText(extension)
  const random = crypto.getRandomValues(new Uint8Array(32))
  let suffix = '_'
  for (const byte of random) {
    // 248 = 4 × 62: larger values would make the first letters of the alphabet likelier.
    if (byte < 248 && suffix.length < suffixLength) suffix += alphabet[byte % 62]
  }
  return suffix.length === suffixLength
    ? root + suffix + extension
    : alternativeName(root, extension)
}

/** Length of a name as `maxLength` counts it: code points. */
export function nameLength(name: string): number {
  let length = name.length
  for (const pair of name.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) length -= pair[0].length - 1
  return length
}

/**
 * The next name to try when `name` is taken or too long: another suffix, and as much of the root
 * cut off as `maxLength` (code points) and the storage's limits (bytes) demand.
 *
 * @throws SuspiciousFileOperation when nothing of the root would remain
 */
export function nextName(
  name: string,
  limits: NameLimits & { readonly maxLength: number | undefined },
  toAlternative: (root: string, extension: string) => string,
): string {
  const { directory, root, extension } = splitAllSuffixes(name)
  let points = [...root]
  for (;;) {
    const candidate = directory + toAlternative(points.join(''), extension)
    const excess = excessOf(candidate, limits)
    if (excess <= 0) return candidate
    points = points.slice(0, Math.max(0, points.length - excess))
    if (points.length === 0) throw noAvailableName(name)
  }
}

/** How many code points `name` must lose at least. */
function excessOf(name: string, limits: NameLimits & { maxLength: number | undefined }): number {
  const tooLong = limits.maxLength === undefined ? 0 : nameLength(name) - limits.maxLength
  if (tooLong > 0) return tooLong
  return findLengthProblem(name, limits) === undefined ? 0 : 1
}

/**
 * The name cut to `maxLength` code points without a suffix, as an overwriting storage does: the
 * root loses its end, the last suffix stays.
 *
 * @throws SuspiciousFileOperation when nothing of the root would remain
 */
export function truncateName(name: string, maxLength: number | undefined): string {
  const excess = maxLength === undefined ? 0 : nameLength(name) - maxLength
  if (excess <= 0) return name
  const { directory, root, extension } = splitLastSuffix(name)
  const points = [...root]
  if (points.length <= excess) {
    throw new SuspiciousFileOperation(
      `Storage tried to truncate away entire filename ${quoteName(name)}. Please make sure that the corresponding file field allows sufficient "maxLength".`,
      { file: name },
    )
  }
  return directory + points.slice(0, points.length - excess).join('') + extension
}

function noAvailableName(name: string): SuspiciousFileOperation {
  return new SuspiciousFileOperation(
    `Storage can not find an available filename for ${quoteName(name)}. Please make sure that the corresponding file field allows sufficient "maxLength".`,
    { file: name },
  )
}

function noFileName(name: string): SuspiciousFileOperation {
  return new SuspiciousFileOperation(`Could not derive file name from ${quoteName(name)}.`, {
    file: name,
  })
}

/**
 * A name as part of a URL, as Django's `filepath_to_uri`, but a `\` becomes `%5C`: it is part of
 * an existing key, never a separator.
 */
export function filepathToUri(name: string): string {
  // What `encodeURIComponent` leaves alone is what Django leaves alone; most names need no more.
  if (/^[\w.~!*'()/-]*$/.test(name)) return name
  return name.split('/').map(encodeURIComponent).join('/')
}

/** Last segment. */
export function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
