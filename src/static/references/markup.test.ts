import { describe, expect, it } from 'vitest'
import { scanMarkup } from './markup.ts'
import { inBytes, type Scan } from './reference.ts'
import { rewriteReferences } from './rewrite.ts'
import { scanWebManifest } from './web-manifest.ts'

/** The text with every reference marked. */
function mark(text: string, scan: Scan, urlOf = (url: string): string | undefined => `${url}!`) {
  const bytes = Buffer.from(text)
  const { references } = inBytes(text, bytes.byteLength, scan)
  return Buffer.from(rewriteReferences(bytes, references, ({ url }) => urlOf(url))).toString()
}

function marked(text: string, kind: 'html' | 'svg'): string {
  return mark(text, scanMarkup(text, kind))
}

describe('scanMarkup', () => {
  it.each([
    ['<img src="a.png">', '<img src="a.png!">'],
    ["<IMG SRC='a.png'>", "<IMG SRC='a.png!'>"],
    ['<script src=a.js></script>', '<script src=a.js!></script>'],
    ['<link rel="stylesheet" href=" a.css ">', '<link rel="stylesheet" href=" a.css! ">'],
    ['<img srcset="a.png 1x, b.png 2x,c.png">', '<img srcset="a.png! 1x, b.png! 2x,c.png!">'],
    [
      '<video poster="a.png"><source src="b.mp4"></video>',
      '<video poster="a.png!"><source src="b.mp4!"></video>',
    ],
    ['<style>a{b:url(c.png)}</style>', '<style>a{b:url(c.png!)}</style>'],
    ['é<img src="日本.png">👪<img src="a.png">', 'é<img src="日本.png!">👪<img src="a.png!">'],
    ['<p style="background:url(\'a.png\')">', '<p style="background:url(\'a.png!\')">'],
    ['<img src="a.png?b=1&amp;c=2">', '<img src="a.png?b=1&#38;c=2!">'],
    ['<img src="a&quot;b&#x27;&#62;.png">', '<img src="a&#34;b&#39;&#62;.png!">'],
    ['<style>a{b:url(u);c:url("r")}</style>', '<style>a{b:url(u!);c:url("r!")}</style>'],
    [
      '<style>@import "im";a{b:url(x?y&z)}</style>',
      '<style>@import "im!";a{b:url(x?y&z!)}</style>',
    ],
    [
      '<p style="&amp;:url(&quot;a.png?b&amp;c&quot;);d:url(&#39;e.png&#39;)">',
      '<p style="&amp;:url(&quot;a.png?b&amp;c!&quot;);d:url(&#39;e.png!&#39;)">',
    ],
    ['<base target="_top"><img src="a.png">', '<base target="_top"><img src="a.png!">'],
    [
      '<base href="/x/"><img src="a.png"><img src="/b.png">',
      '<base href="/x/"><img src="a.png"><img src="/b.png!">',
    ],
  ])('rewrites %s in a page', (text, wanted) => {
    expect(marked(text, 'html')).toBe(wanted)
  })

  it('writes no blanks, which would end a candidate of a srcset', () => {
    const page = '<img srcset="a%20b.png 1x, c.png 2x" src=a%20b.png>'
    expect(mark(page, scanMarkup(page, 'html'), url => url.replace('%20', ' '))).toBe(page)
  })

  it.each([
    '<!-- <img src="a.png"> -->',
    '<a href="a.html">',
    '<script>x = "<img src=a.png>"</script>',
    '<textarea><img src="a.png"></textarea>',
    '<link rel="canonical" href="a.html">',
    '<img src="">',
    '<img src>',
    '<img src="&eacute;.png">',
    '<style>a{b:url(c\\64.png)}</style>',
  ])('leaves %s', text => {
    expect(marked(text, 'html')).toBe(text)
  })

  it('rewrites what a drawing loads, and not its own fragments', () => {
    const text =
      '<svg><style><![CDATA[a{fill:url(p.svg#x)}]]></style><image xlink:href="a.png"/><use href="#b"/><a href="c"/></svg>'
    const rewritten = mark(text, scanMarkup(text, 'svg'), url =>
      url.startsWith('#') ? undefined : `${url}!`,
    )
    expect(rewritten).toBe(
      '<svg><style><![CDATA[a{fill:url(p.svg#x!)}]]></style><image xlink:href="a.png!"/><use href="#b"/><a href="c"/></svg>',
    )
  })

  it('reads a style sheet in a drawing as it is written: with entities, or as it is', () => {
    const text =
      '<svg><style>a{b:url(&quot;a.png?b&amp;c&quot;)}</style><style><![CDATA[a{b:url("a.png?b&amp;c")}]]></style></svg>'
    expect(marked(text, 'svg')).toBe(text.replaceAll(/c(?=&quot;|")/g, 'c!'))
  })

  it('knows lines', () => {
    expect(
      scanMarkup('<p>\n\n<img src="a.png"><style>\nb{c:url(d.png)}</style>', 'html').references,
    ).toMatchObject([{ line: 3 }, { line: 4 }])
  })

  it.each(['<a ', '<style>', '<img srcset="', ',', '<![CDATA[', '&amp;', '<!--'])(
    'ends for 4 MiB of %s',
    piece => {
      const text = piece.repeat(Math.ceil((4 * 1024 * 1024) / piece.length))
      expect(scanMarkup(`<img srcset="${text}`, 'html').references).toEqual([])
      expect(scanMarkup(text, 'svg').references).toEqual([])
    },
  )
})

describe('scanWebManifest', () => {
  it('finds every src, and only as a key', () => {
    const text =
      '{"icons": [{"src": "a.png", "sizes": "src"}], "name": "src", "src" : "b\\u00e9.png", "shortcuts": [{"icons": [{"src":\n"c.png"}]}]}'
    const { references } = scanWebManifest(text)
    expect(mark(text, { references, problems: [] })).toBe(
      '{"icons": [{"src": "a.png!", "sizes": "src"}], "name": "src", "src" : "bé.png!", "shortcuts": [{"icons": [{"src":\n"c.png!"}]}]}',
    )
    expect(references.map(({ line }) => line)).toEqual([1, 1, 2])
  })

  it('leaves and reports what is no JSON', () => {
    expect(scanWebManifest('{"src": "a.png"').references).toEqual([])
    expect(scanWebManifest('{').problems).toHaveLength(1)
  })
})
