import fc from 'fast-check'

/**
 * Segments from a small set, so that operations meet on the same names. They are neighbours of
 * each other's prefixes in the order of bytes (`-` and `.` before `/`, `0` behind it), or letters
 * that some service encodes, composes or sorts differently.
 */
const segments = [
  'a',
  'a-',
  'a.',
  'a0',
  'aa',
  'b',
  '..a',
  '%2e',
  '+ &#?',
  'é',
  'e\u0301',
  '\ufeff',
  '\ue000',
  '\u{10000}',
  '👨‍👩‍👧‍👦',
  'x.tar.gz',
]

const segment: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...segments.slice(0, 6)) },
  { weight: 2, arbitrary: fc.constantFrom(...segments) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).filter(isSegment),
  },
)

/** Names that `save` takes; one to three segments. */
export const fileName: fc.Arbitrary<string> = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map(parts => parts.join('/'))

export const folderName: fc.Arbitrary<string> = fc
  .array(segment, { minLength: 0, maxLength: 2 })
  .map(parts => parts.join('/'))

/** Mostly small; sometimes more than the windows and buffers of open files. */
export const content: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  { weight: 12, arbitrary: fc.uint8Array({ maxLength: 40 }).map(bytes => new Uint8Array(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 65_530, max: 300_000 }).map(filled) },
)

/** Ways to hand over the same bytes. */
export type ContentKind = 'bytes' | 'blob' | 'stream' | 'chunks'
export const contentKind: fc.Arbitrary<ContentKind> = fc.constantFrom(
  'bytes',
  'blob',
  'stream',
  'chunks',
)

/** Refused at the door, see the contract suite; names here are all to be taken. */
function isSegment(text: string): boolean {
  if (text === '.' || text === '..' || /^[a-z]:/i.test(text)) return false
  return !/[/\\\u0000-\u001f\u007f]/.test(text) && text.isWellFormed()
}

function filled(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size).map((_, index) => (index * 31) ^ (index >> 8))
}
