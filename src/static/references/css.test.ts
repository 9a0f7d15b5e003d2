import { describe, expect, it } from 'vitest'
import { scanCss } from './css.ts'

const mebi = 1024 * 1024

function urls(text: string): string[] {
  return scanCss(text).references.map(({ url }) => url)
}

/** The pieces of the text that would be replaced. */
function pieces(text: string): string[] {
  return scanCss(text).references.map(({ start, end }) => text.slice(start, end))
}

describe('scanCss', () => {
  it('finds url() in every spelling', () => {
    expect(urls(`a{b:url(1.png);c:URL( "2.png" );d:u\\72l('3.png');e:url(\n4.png\t)}`)).toEqual([
      '1.png',
      '2.png',
      '3.png',
      '4.png',
    ])
  })

  it('undoes escapes', () => {
    expect(urls('a{b:url(a\\(1\\).png);c:url("\\e9.png");d:url(img\\/x.png)}')).toEqual([
      'a(1).png',
      'é.png',
      'img/x.png',
    ])
  })

  it('finds @import with and without url(), with layers, conditions and comments', () => {
    const text = `@import "a.css" layer(x) supports(display: grid) print;@import url(b.css) layer;@IMPORT'c.css';@import/**/"d.css";`
    expect(urls(text)).toEqual(['a.css', 'b.css', 'c.css', 'd.css'])
    expect(pieces(text)).toEqual(['@import "a.css"', 'url(b.css)', `@IMPORT'c.css'`, '"d.css"'])
  })

  it('finds strings of image-set() and src(), and no others', () => {
    const text = `a{b:image-set("1.png" 1x, url(2.png) 2x, "3.avif" type("image/avif"));c:-webkit-image-set('4.png' 1x);d:src("5.png");content:"6.png";e:format("woff")}`
    expect(urls(text)).toEqual(['1.png', '2.png', '3.avif', '4.png', '5.png'])
    expect(pieces(text)[0]).toBe('"1.png"')
  })

  it('finds nothing in comments, strings, custom functions and variables', () => {
    const text = `/* url(a.png) */ a{b:"url(c.png)";d:url(var(--x));e:URLx(f.png)} @namespace "g"; @charset "h";`
    expect(urls(text)).toEqual([])
  })

  it('takes what a condition asks for as something that need not be there', () => {
    const text = `@supports (b: image-set("1.png" 1x)) {a{b:url(2.png)}} a{c:url(3.png)}`
    expect(scanCss(text).references.map(({ url, weight }) => [url, weight])).toEqual([
      ['1.png', 'optional'],
      ['2.png', 'required'],
      ['3.png', 'required'],
    ])
  })

  it('takes a source map that stands alone on its line', () => {
    expect(urls('a{}\n/*# sourceMappingURL=a.css.map */\n')).toEqual(['a.css.map'])
    expect(urls('a{} /*# sourceMappingURL=a.css.map */')).toEqual([])
    expect(urls('/*# SOURCEMAPPINGURL=a.css.map */')).toEqual([])
    expect(scanCss('/*# sourceMappingURL=a.map */').references[0]?.weight).toBe('map')
  })

  it('knows the line of each reference, and counts characters beyond the first plane', () => {
    const text = 'a{content:"👪"}\r\n\nb{c:url(x.png)}'
    const [reference] = scanCss(text).references
    expect(reference?.line).toBe(3)
    expect(text.slice(reference?.start, reference?.end)).toBe('url(x.png)')
  })

  it('reports what is cut off, and goes on behind mixed quotes', () => {
    expect(scanCss('a{b:url(x.png').problems).toEqual([
      { line: 1, message: 'url( has no end: the style sheet is cut off' },
    ])
    const mixed = scanCss(`a{b:url("x.png')}\nc{d:url(y.png)}`)
    expect(mixed.references.map(({ url }) => url)).toEqual(['x.png', 'y.png'])
    expect(mixed.problems).toEqual([{ line: 1, message: 'a string in url() has no end' }])
  })

  it.each([
    ['10 MiB of parentheses', '('.repeat(10 * mebi)],
    ['10 MiB of functions', 'url('.repeat(2.5 * mebi)],
    ['10 MiB of image sets', 'image-set('.repeat(mebi)],
    ['10 MiB of blocks', '{'.repeat(10 * mebi)],
    ['10 MiB of imports', '@import '.repeat(1.25 * mebi)],
    ['a million escapes', '\\'.repeat(mebi)],
    ['a million quotes', '"\\\n'.repeat(mebi / 3)],
    ['10 MiB of comments', '/*'.repeat(5 * mebi)],
    ['10 MiB of blanks in a source map', `/*# sourceMappingURL=${' '.repeat(10 * mebi)}x*/`],
    ['10 MiB in one URL', `a{b:url(${'x'.repeat(10 * mebi)}`],
  ])('ends for %s', (_, text) => {
    expect(scanCss(text).references.length).toBeLessThan(2)
  })
})
