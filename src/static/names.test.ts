import { describe, expect, it } from 'vitest'
import { hashedName } from './hashed-name.ts'
import { compilePattern, isIgnored } from './ignore-patterns.ts'
import { manifestHash } from './manifest.ts'
import { strongComponents } from './strong-components.ts'

describe('hashedName', () => {
  it.each([
    ['a.css', 'a.H.css'],
    ['d.d/noext', 'd.d/noext.H'],
    ['x.tar.gz', 'x.tar.H.gz'],
    ['trailing.', 'trailing.H.'],
    ['.hidden', '.hidden.H'],
    ['d/..x.y', 'd/..x.H.y'],
    ['-x', '-x.H'],
  ])('of %s is %s', (name, hashed) => {
    expect(hashedName(name, 'H')).toBe(hashed)
  })
})

describe('compilePattern', () => {
  it.each([
    ['*.md', 'a/b.md', true],
    ['*.md', 'a.MD', false],
    ['sub/*', 'sub/x/y', true],
    ['[ab].js', 'b.js', true],
    ['[!ab].js', 'b.js', false],
    ['[]].js', '].js', true],
    ['[z-a].js', 'b.js', false],
    ['a?c', 'a👪c', true],
    ['a.c', 'abc', false],
    ['[', '[', true],
    ['(a|b)', '(a|b)', true],
  ])('%s fits %s: %s', (pattern, name, fits) => {
    expect(compilePattern(pattern).test(name)).toBe(fits)
  })

  it('also looks at the last part of a path', () => {
    const patterns = ['CVS', '.*'].map(compilePattern)
    expect(isIgnored('a/CVS', patterns)).toBe(true)
    expect(isIgnored('a/.git', patterns)).toBe(true)
    expect(isIgnored('a/CVSx', patterns)).toBe(false)
  })
})

describe('manifestHash', () => {
  it('is that of the sorted pairs as Python writes them', () => {
    const paths = new Map([
      ['b/c.js', 'b/c.92eb5ffee6ae.js'],
      ['a.css', 'a.0cc175b9c0f1.css'],
    ])
    expect(manifestHash(paths)).toBe('2295d29f6714')
  })
})

describe('strongComponents', () => {
  it('come behind what they lead to, cycles together', () => {
    const edges: Record<string, string[]> = { a: ['b', 'd'], b: ['c'], c: ['b'], d: [], e: ['e'] }
    const found = strongComponents('abcde', node => edges[node] ?? [])
    expect(found.map(component => component.sort().join(''))).toEqual(['bc', 'd', 'a', 'e'])
  })

  it('need no stack for a chain of 100,000', () => {
    const found = strongComponents([0], node => (node < 100_000 ? [node + 1] : []))
    expect(found).toHaveLength(100_001)
  })
})
