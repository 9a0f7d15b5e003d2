import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUtf8, KeyIndex } from './key-index.ts'
import { type ListRequest, listPage } from './listing.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const key = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '-', '!', '\uffee', '🦊', 'é'),
  minLength: 1,
  maxLength: 5,
})

const point = fc
  .integer({ min: 1, max: 0x10ffff })
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code))
const text = fc.string({ unit: point, maxLength: 4 })

describe('the order of keys', () => {
  it('is that of their UTF-8 bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(bytes(a), bytes(b)))
      }),
    )
  })
})

describe('an index', () => {
  it('walks what is in it, in order, after any changes', () => {
    const change = fc.record({ key, remove: fc.boolean() })
    const rounds = fc.array(fc.array(change, { maxLength: 100 }), { maxLength: 5 })
    fc.assert(
      fc.property(rounds, batches => {
        const index = new KeyIndex<number>()
        const model = new Map<string, number>()
        for (const batch of batches) {
          for (const { key: name, remove } of batch) {
            if (remove) expect(index.delete(name)).toBe(model.delete(name))
            else {
              index.set(name, 1)
              model.set(name, 1)
            }
          }
          expect(index.keys()).toEqual([...model.keys()].sort(compareUtf8))
          expect(index.size).toBe(model.size)
        }
      }),
    )
  })
})

describe('a page', () => {
  const sorted = fc.uniqueArray(key, { maxLength: 30 }).map(keys => keys.sort(compareUtf8))
  const prefix = fc.constantFrom('', 'a', 'a/', '/', 'b-')
  const delimiter = fc.constantFrom('', '/', '-', 'b/')

  it('and those after it hold each key or its common prefix once, in order', () => {
    const limit = fc.integer({ min: 1, max: 4 })
    fc.assert(
      fc.property(sorted, prefix, delimiter, limit, (keys, start, split, size) => {
        const request = { prefix: start, delimiter: split, after: '', limit: size }
        expect(allPages(keys, request)).toEqual(expected(keys, request))
      }),
    )
  })

  it('jumps over what a common prefix covers', () => {
    const keys = Array.from({ length: 100_000 }, (_, i) => `folder/${String(i).padStart(6, '0')}`)
    let reads = 0
    const counted = new Proxy([...keys, 'last'], {
      get(target, name, receiver) {
        reads += 1
        return Reflect.get(target, name, receiver)
      },
    })
    const page = listPage(counted, { prefix: '', delimiter: '/', after: '', limit: 1000 })
    expect(page).toMatchObject({ keys: ['last'], prefixes: ['folder/'], truncated: false })
    expect(reads).toBeLessThan(200)
  })
})

function allPages(keys: readonly string[], request: ListRequest): string[] {
  const found: string[] = []
  let after = ''
  for (let pages = 0; pages < 100; pages += 1) {
    const page = listPage(keys, { ...request, after })
    expect(page.keys.length + page.prefixes.length).toBeLessThanOrEqual(request.limit)
    found.push(...[...page.keys, ...page.prefixes].sort(compareUtf8))
    if (!page.truncated) return found
    after = page.last ?? ''
  }
  throw new Error('the pages have no end')
}

/** What a list is by its documentation, without any thought of cost. */
function expected(keys: readonly string[], { prefix, delimiter }: ListRequest): string[] {
  const found = new Set<string>()
  for (const name of keys) {
    if (!name.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    found.add(at < 0 ? name : name.slice(0, at + delimiter.length))
  }
  return [...found].sort(compareUtf8)
}
