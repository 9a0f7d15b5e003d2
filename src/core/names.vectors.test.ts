import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { SuspiciousFileOperation } from './errors.ts'
import {
  filepathToUri,
  generateFilename,
  maxKeyBytes,
  parseReadName,
  parseWriteName,
  validName,
} from './names.ts'

interface Outcome {
  readonly value?: string
  readonly pattern?: string
  readonly error?: string
}

/** A case of names.json: what Django and django-storages really answered. */
interface Case {
  readonly op: string
  readonly input: string
  readonly location?: string
  readonly maxLength?: number | null
  readonly taken?: readonly string[]
  readonly allowRelativePath?: boolean
  readonly expect: Outcome
  readonly newer?: Outcome
}

/** Where Stowage answers otherwise, in the order in which a difference is explained. */
interface Difference {
  readonly reason: string
  readonly holds: (one: Case, ours: Outcome) => boolean
}

const file = new URL('../../test/fixtures/vectors/names.json', import.meta.url)
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Case[] }
const limits = { maxNameBytes: maxKeyBytes, maxSegmentBytes: undefined }

const refused = (ours: Outcome): boolean => ours.error !== undefined
const dots = /(^|[/\\])\.\.?([/\\]|$)/

const differences: readonly Difference[] = [
  {
    reason: 'an absolute name is refused at once',
    holds: ({ input }, ours) => refused(ours) && /^[/\\]/.test(input),
  },
  {
    reason: 'a "." or ".." segment is refused, never resolved',
    holds: ({ input }, ours) => refused(ours) && dots.test(input),
  },
  {
    reason: 'the empty name is refused',
    holds: ({ input }, ours) => refused(ours) && input === '',
  },
  {
    reason: 'NUL is refused',
    holds: ({ input }, ours) => refused(ours) && input.includes('\0'),
  },
  {
    reason: 'a lone surrogate is refused',
    holds: ({ input }, ours) => refused(ours) && !input.isWellFormed(),
  },
  {
    reason: 'a backslash is refused for writing, never rewritten',
    holds: ({ op, input }, ours) => refused(ours) && isWriting(op) && input.includes('\\'),
  },
  {
    reason: 'a control character is refused for writing',
    holds: ({ op, input }, ours) =>
      refused(ours) && isWriting(op) && /[\u0001-\u001f\u007f]/.test(input),
  },
  {
    reason: 'a double slash is refused for writing, never dropped',
    holds: ({ op, input }, ours) => refused(ours) && isWriting(op) && input.includes('//'),
  },
  {
    reason: 'more than 1,024 bytes are refused for writing',
    holds: ({ op, input }, ours) =>
      refused(ours) && isWriting(op) && Buffer.byteLength(input) > maxKeyBytes,
  },
  {
    reason: 'a backslash in an existing key is kept, in URLs as %5C',
    holds: ({ op, input }, ours) => !refused(ours) && !isWriting(op) && input.includes('\\'),
  },
  {
    reason: 'a double slash in an existing key is kept',
    holds: ({ op, input }, ours) => !refused(ours) && !isWriting(op) && input.includes('//'),
  },
  {
    reason: 'a final slash in an existing key is kept',
    holds: ({ op, input }, ours) => !refused(ours) && !isWriting(op) && input.endsWith('/'),
  },
  {
    reason: 'a name with folders is taken: upload names go through generateFilename',
    holds: ({ allowRelativePath, input }, ours) =>
      !refused(ours) && allowRelativePath === false && input.includes('/'),
  },
]

function isWriting(op: string): boolean {
  return op === 'validateFileName' || op === 'getAvailableName' || op === 'overwriteName'
}

async function ours(one: Case): Promise<Outcome> {
  try {
    return { value: await answer(one) }
  } catch (error) {
    expect(error).toBeInstanceOf(SuspiciousFileOperation)
    return { error: 'SuspiciousFileOperation' }
  }
}

async function answer({ op, input, location = '', maxLength, taken = [] }: Case): Promise<string> {
  const options = { maxLength: maxLength ?? undefined }
  switch (op) {
    case 'getValidName':
      return validName(input)
    case 'generateFilename':
      return generateFilename(input, validName)
    case 'validateFileName':
      return parseWriteName(input, limits)
    case 'filepathToUri':
      return filepathToUri(parseUri(input))
    case 'diskPath':
    case 'cleanName':
      return parseReadName(input)
    case 's3Key':
      return joined(location, parseReadName(input))
    case 'getAvailableName': {
      const storage = new MemoryStorage()
      // What cannot be saved here (`d//test.txt`) cannot be taken either.
      for (const name of taken) await storage.save(name, '').catch(() => {})
      return await storage.getAvailableName(input, options)
    }
    case 'overwriteName':
      return await new MemoryStorage({ fileOverwrite: true }).getAvailableName(input, options)
    default:
      throw new Error(`The operation ${op} is not known here.`)
  }
}

/** Only lone surrogates: `url` refuses at the door what these cases only encode. */
function parseUri(name: string): string {
  return name.isWellFormed() ? name : parseReadName(name)
}

/** As the S3 backend does with a location that it accepts; the others it refuses (see there). */
function joined(location: string, name: string): string {
  const folder = location.replace(/\/$/, '')
  const refusable = dots.test(folder) || /^\/|\/\/|\\|\/$/.test(folder)
  if (refusable) throw new SuspiciousFileOperation('The location is ImproperlyConfigured.')
  return folder === '' ? name : `${folder}/${name}`
}

function agrees(ours: Outcome, theirs: Outcome | undefined): boolean {
  if (theirs === undefined) return false
  if (theirs.error !== undefined) return ours.error !== undefined
  if (ours.value === undefined) return false
  if (theirs.pattern !== undefined) return new RegExp(theirs.pattern, 'u').test(ours.value)
  return ours.value === theirs.value
}

async function verdict(one: Case): Promise<string> {
  const outcome = await ours(one)
  if (agrees(outcome, one.newer ?? one.expect) || agrees(outcome, one.expect)) return 'same'
  if (one.op === 's3Key' && refused(outcome) && /^\.|\.\.|\\|\/\/|^\//.test(one.location ?? ''))
    return 'the location is refused'
  const difference = differences.find(({ holds }) => holds(one, outcome))
  return (
    difference?.reason ?? `UNEXPLAINED: ${JSON.stringify(one)} gives ${JSON.stringify(outcome)}`
  )
}

async function verdictsOf(op: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const one of cases.filter(one => one.op === op)) {
    const found = await verdict(one)
    counts[found] = (counts[found] ?? 0) + 1
  }
  return counts
}

describe("names as Django's and django-storages'", () => {
  const counted: Readonly<Record<string, Record<string, number>>> = {
    getValidName: { same: 154 },
    generateFilename: { same: 149, 'an absolute name is refused at once': 5 },
    validateFileName: {
      same: 259,
      'an absolute name is refused at once': 2,
      'a "." or ".." segment is refused, never resolved': 5,
      'NUL is refused': 3,
      'a lone surrogate is refused': 2,
      'a backslash is refused for writing, never rewritten': 9,
      'a control character is refused for writing': 13,
      'a double slash is refused for writing, never dropped': 2,
      'more than 1,024 bytes are refused for writing': 2,
      'a name with folders is taken: upload names go through generateFilename': 11,
    },
    getAvailableName: {
      same: 90,
      'an absolute name is refused at once': 2,
      'a "." or ".." segment is refused, never resolved': 2,
      'a backslash is refused for writing, never rewritten': 2,
      'a double slash is refused for writing, never dropped': 2,
    },
    overwriteName: { same: 25 },
    filepathToUri: { same: 144, 'a backslash in an existing key is kept, in URLs as %5C': 10 },
    diskPath: {
      same: 139,
      'a "." or ".." segment is refused, never resolved': 6,
      'the empty name is refused': 1,
      'a double slash in an existing key is kept': 3,
      'a final slash in an existing key is kept': 2,
    },
    cleanName: {
      same: 122,
      'an absolute name is refused at once': 6,
      'a "." or ".." segment is refused, never resolved': 9,
      'the empty name is refused': 1,
      'NUL is refused': 2,
      'a lone surrogate is refused': 1,
      'a backslash in an existing key is kept, in URLs as %5C': 10,
      'a double slash in an existing key is kept': 3,
    },
    s3Key: {
      same: 271,
      'an absolute name is refused at once': 7,
      'a "." or ".." segment is refused, never resolved': 26,
      'the empty name is refused': 4,
      'NUL is refused': 4,
      'a lone surrogate is refused': 2,
      'a backslash in an existing key is kept, in URLs as %5C': 22,
      'a double slash in an existing key is kept': 7,
      'the location is refused': 3,
    },
  }

  for (const [op, counts] of Object.entries(counted)) {
    it(`${op}: every case is the same, or different for a known reason`, async () => {
      expect(await verdictsOf(op)).toEqual(counts)
    })
  }

  it('looks at every case', () => {
    const sum = Object.values(counted)
      .flatMap(counts => Object.values(counts))
      .reduce((total, count) => total + count, 0)
    expect(sum).toBe(cases.length)
  })
})
