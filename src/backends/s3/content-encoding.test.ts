import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { encodingFromName, encodingOfSvgz } from './content-encoding.ts'

interface TypeCase {
  readonly name: string
  readonly expect: { readonly encoding: string | null }
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/mimetypes.json', import.meta.url), 'utf8'),
) as { cases: TypeCase[] }

/** Where Python's table is not followed. */
const decidedOtherwise: Readonly<Record<string, string>> = {
  'data:text/html,x': 'a data URL is no name of a file here',
  'data:image/png;base64,x': 'a data URL is no name of a file here',
  '.gz': 'a dotfile has no suffix',
}

describe('the encoding by the name', () => {
  it.each(
    cases
      .filter(({ name }) => decidedOtherwise[name] === undefined)
      .map(vector => [vector.name, vector.expect.encoding] as const),
  )('of %s is %s, as in Python’s table', (name, encoding) => {
    expect(encodingFromName(name).encoding ?? null).toBe(encoding)
  })

  it.each([
    ['a.css.gz', 'a.css', 'gzip'],
    ['a.tgz', 'a.tar', 'gzip'],
    ['a.svgz', 'a.svg', 'gzip'],
    ['a.js.br', 'a.js', 'br'],
    ['d.gz/a', 'd.gz/a', undefined],
  ])('leaves of %s the name %s for the type', (name, rest, encoding) => {
    expect(encodingFromName(name)).toEqual({ name: rest, encoding })
  })

  it('is otherwise guessed for SVGZ only', () => {
    expect(encodingOfSvgz('a.SVGZ').encoding).toBe('gzip')
    expect(encodingOfSvgz('a.tar.gz').encoding).toBeUndefined()
  })
})
