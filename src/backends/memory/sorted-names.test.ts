import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Folder, Name } from '../../core/names.ts'
import { SortedNames } from './sorted-names.ts'

function namesOf(...names: string[]): SortedNames {
  const sorted = new SortedNames()
  for (const name of names) sorted.add(name as Name)
  return sorted
}

/** All pages of a size, joined. */
function all(sorted: SortedNames, folder: Folder, recursive: boolean, size: number): string[] {
  const found: string[] = []
  let after: string | undefined
  for (let round = 0; round < 100; round++) {
    const { names, folders, last } = sorted.page(folder, recursive, after, size)
    found.push(...inByteOrder([...names, ...folders]))
    if (last === undefined) return found
    after = last
  }
  throw new Error('The pages do not end.')
}

describe('sorted names', () => {
  it('pass over the names below a folder, not those beside it', () => {
    const sorted = namesOf('a-b', 'a/1', 'a/2/3', 'a0', 'b', 'a')
    expect(all(sorted, '', false, 2)).toEqual(['a', 'a-b', 'a/', 'a0', 'b'])
    expect(all(sorted, 'a/', false, 1)).toEqual(['a/1', 'a/2/'])
    expect(all(sorted, '', true, 3)).toEqual(['a', 'a-b', 'a/1', 'a/2/3', 'a0', 'b'])
  })

  it('go on behind a name that has gone', () => {
    const sorted = namesOf('a', 'b', 'c', 'd')
    expect(sorted.page('', true, undefined, 2).last).toBe('b')
    sorted.delete('b' as Name)
    sorted.delete('c' as Name)
    sorted.add('bb' as Name)
    expect(sorted.page('', true, 'b', 2).names).toEqual(['bb', 'd'])
  })

  it('know a folder as long as it holds names', () => {
    const sorted = namesOf('a/b/c', 'a/d')
    expect(sorted.hasFolder('a/b/')).toBe(true)
    sorted.delete('a/b/c' as Name)
    expect([sorted.hasFolder('a/b/'), sorted.hasFolder('a/')]).toEqual([false, true])
    sorted.delete('a/d' as Name)
    expect(sorted.hasFolder('a/')).toBe(false)
  })

  it('hold what a set would after any additions, removals and looks', () => {
    const name = fc
      .array(fc.constantFrom('a', 'a-', 'b', '\ue000', '\u{10000}'), { minLength: 1, maxLength: 3 })
      .map(parts => parts.join('/'))
    const change = fc.tuple(name, fc.boolean(), fc.boolean())
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        (changes, size) => {
          const sorted = new SortedNames()
          const expected = new Set<string>()
          for (const [one, isAdded, isLookedAt] of changes) {
            if (isAdded && !expected.has(one)) sorted.add(one as Name)
            if (!isAdded && expected.has(one)) sorted.delete(one as Name)
            if (isAdded) expected.add(one)
            else expected.delete(one)
            if (isLookedAt) expect(all(sorted, '', true, size)).toEqual(inByteOrder(expected))
          }
          expect(all(sorted, '', true, size)).toEqual(inByteOrder(expected))
        },
      ),
    )
  })
})

function inByteOrder(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
