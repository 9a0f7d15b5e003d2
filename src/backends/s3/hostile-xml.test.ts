import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import type { ReadBody } from '../../core/backend.ts'
import { IntegrityError } from '../../core/errors.ts'
import {
  type ListedObject,
  parseCompleteUpload,
  parseCopyResult,
  parseDeleteResult,
  parseErrorDocument,
  parseInitiateUpload,
  parseListing,
  parseListUploads,
} from './list-xml.ts'
import { readBounded } from './native/body.ts'

/** Documents of balancers, attackers and broken services, as they come: see the names of the files. */
const corpus = fileURLToPath(new URL('../../../test/fixtures/xml/', import.meta.url))
const limit = 1024 * 1024

const parsers = {
  parseListing,
  parseDeleteResult,
  parseInitiateUpload,
  parseCompleteUpload,
  parseCopyResult,
  parseListUploads,
}

function filesIn(folder: string, suffix = ''): string[] {
  return readdirSync(corpus + folder).filter(name => name.endsWith(suffix))
}

/** In pieces of `size`, as a socket may deliver it. */
function bodyOf(bytes: Uint8Array, size: number): ReadBody {
  return {
    bytes: async () => Uint8Array.from(bytes),
    async *chunks() {
      for (let at = 0; at < bytes.byteLength; at += size)
        yield Uint8Array.from(bytes.subarray(at, at + size))
    },
    cancel() {},
  }
}

/** The document as a successful answer is read. */
function read(path: string, size = limit): Promise<string> {
  return readBounded(bodyOf(readFileSync(corpus + path), size), limit, 'strict')
}

async function failureOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  }
}

describe('a hostile document', () => {
  it.each(filesIn('refused'))('is refused by every parser: %s', async name => {
    for (const [parser, parse] of Object.entries(parsers)) {
      const failure = await failureOf(async () => parse(await read(`refused/${name}`)))
      expect(failure, parser).toBeInstanceOf(IntegrityError)
      // What a stranger wrote is not quoted at length.
      expect((failure as IntegrityError).message.length).toBeLessThan(200)
    }
  })

  it.each(filesIn('refused'))('says nothing as an error document, unless it is one: %s', name => {
    const found = parseErrorDocument(readFileSync(`${corpus}refused/${name}`, 'utf8'))
    expect(found?.code).toBe(name === 'error-in-a-200.xml' ? 'InternalError' : undefined)
  })

  it.each(filesIn('accepted', '.xml'))('is read as it is meant: %s', async name => {
    const expected: unknown = JSON.parse(
      readFileSync(`${corpus}accepted/${name.replace('.xml', '.json')}`, 'utf8'),
    )
    for (const size of [limit, 1, 7]) {
      const { objects } = parseListing(await read(`accepted/${name}`, size))
      expect(objects.map(({ key }) => key)).toEqual(expected)
    }
  })

  it('is not read beyond the limit', async () => {
    let taken = 0
    const endless: ReadBody = {
      bytes: () => Promise.reject(new Error('bytes was called')),
      async *chunks() {
        // Ends by itself, lest a reader without a limit never does.
        for (; taken < 100; taken++) yield new Uint8Array(1000)
      },
      cancel() {},
    }
    await expect(readBounded(endless, 5_500, 'strict')).rejects.toThrow(IntegrityError)
    expect(taken).toBe(5)
  })
})

/** An element as saxes finds it. */
interface Node {
  readonly name: string
  readonly children: Node[]
  text: string
}

/** The document by another parser; `undefined` for what it refuses. */
function treeBySaxes(xml: string): Node | undefined {
  const parser = new SaxesParser()
  const top: Node = { name: '', children: [], text: '' }
  const open = [top]
  parser.on('error', error => {
    throw error
  })
  parser.on('opentag', tag => {
    const node: Node = { name: tag.name.replace(/^[^:]*:/, ''), children: [], text: '' }
    open.at(-1)?.children.push(node)
    open.push(node)
  })
  parser.on('closetag', () => {
    open.pop()
  })
  const addText = (text: string): void => {
    const node = open.at(-1)
    if (node !== undefined) node.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  try {
    parser.write(xml).close()
  } catch {
    return undefined
  }
  return top.children[0]
}

/** The objects of a page by saxes and by the rules of S3's documentation, read the slow way. */
function objectsBySaxes(xml: string): ListedObject[] | undefined {
  const root = treeBySaxes(xml)
  if (root?.name !== 'ListBucketResult') return undefined
  const objects = root.children.filter(({ name }) => name === 'Contents').map(objectOf)
  return objects.every(object => object !== undefined) ? objects : undefined
}

function objectOf(node: Node): ListedObject | undefined {
  const text = (name: string): string | undefined =>
    node.children.find(child => child.name === name)?.text
  const [key, size, time, etag] = ['Key', 'Size', 'LastModified', 'ETag'].map(text)
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(time ?? '')
  const lastModified = isTime ? Date.parse(time ?? '') : Number.NaN
  if (key === undefined || !/^\d+$/.test(size ?? '') || Number.isNaN(lastModified)) return undefined
  if (!Number.isSafeInteger(Number(size))) return undefined
  const bare = /^"(.*)"$/s.exec(etag ?? '')?.[1] ?? etag
  return { key, size: Number(size), lastModified, etag: bare, storageClass: text('StorageClass') }
}

describe('parseListing beside saxes', () => {
  const time = fc.constantFrom('2026-11-24T10:20:30.000Z', '2026-11-24T10:20:30Z', 'never')
  const entry = fc
    .tuple(
      fc.constantFrom('a', 'a/b c.txt', 'é', '&amp;&#65;', ' ', '', '<![CDATA[x]]>'),
      time,
      fc.constantFrom('&quot;d41d8cd9-2&quot;', '"0"', 'bare', '&quot;', '<!-- x -->'),
      fc.constantFrom('', '<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>'),
      fc.constantFrom('0', '1', '5497558138880', '-1', '', '1.5', '99999999999999999999'),
      fc.constantFrom('<StorageClass>STANDARD</StorageClass>', '', '<Key>second</Key>', '\n'),
    )
    .map(
      ([key, lastModified, etag, checksum, size, more]) =>
        `<Contents><Key>${key}</Key><LastModified>${lastModified}</LastModified><ETag>${etag}</ETag>${checksum}<Size>${size}</Size>${more}</Contents>`,
    )
  const page = fc
    .array(entry, { maxLength: 3 })
    .map(
      entries =>
        `<ListBucketResult><Name>b</Name>${entries.join('')}<IsTruncated>false</IsTruncated></ListBucketResult>`,
    )
  const splinter = fc.constantFrom(
    ...['<', '>', '/', '&', ';', '"', ' ', '</Key>', '<Key>', '<Size>', '</Size>', '<a/>'],
    ...['&lt;', '&quot;', '<!--', '-->', ']]>', '\r', '\n', '\t', 'Key', '0', 'Contents', '😀'],
  )
  /** What becomes of a page when bytes get lost, doubled or put in. */
  const damaged = fc
    .tuple(page, fc.array(fc.tuple(fc.nat(), fc.nat(12), splinter), { maxLength: 3 }))
    .map(([xml, damages]) =>
      damages.reduce((text, [at, lost, put]) => {
        const start = at % (text.length + 1)
        return text.slice(0, start) + put + text.slice(start + lost)
      }, xml),
    )

  it.each([
    ['pages', page],
    ['damaged pages', damaged],
  ])('finds the same objects in %s, or refuses them like it', (_what, pages) => {
    fc.assert(
      fc.property(pages, xml => {
        let found: ListedObject[] | undefined
        try {
          found = parseListing(xml).objects
        } catch (error) {
          if (!(error instanceof IntegrityError)) throw error
        }
        expect(found).toEqual(objectsBySaxes(xml))
      }),
      { numRuns: 5_000 },
    )
  })
})
