import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import { IntegrityError } from '../../core/errors.ts'
import { XmlReader } from './xml.ts'

/** What a document consists of: `<a`, `text`, `>a`. Adjacent texts are one. */
type Structure = readonly string[]

class StructureBuilder {
  readonly parts: string[] = []
  #text = ''

  text(text: string): void {
    this.#text += text
  }

  tag(tag: string): void {
    if (this.#text !== '') this.parts.push(`'${this.#text}`)
    this.#text = ''
    this.parts.push(tag)
  }
}

function structure(xml: string): Structure {
  const reader = new XmlReader(xml)
  const builder = new StructureBuilder()
  for (;;) {
    const token = reader.next()
    if (token === 'end') return builder.parts
    if (token === 'text') builder.text(reader.text)
    else builder.tag((token === 'open' ? '<' : '>') + reader.name)
  }
}

/** The same by a library; `undefined` for what it refuses. */
function structureBySaxes(xml: string): Structure | undefined {
  const parser = new SaxesParser()
  const builder = new StructureBuilder()
  const local = (name: string): string => name.replace(/^[^:]*:/, '')
  let depth = 0
  parser.on('error', error => {
    throw error
  })
  parser.on('opentag', ({ name }) => {
    depth++
    builder.tag(`<${local(name)}`)
  })
  parser.on('closetag', ({ name }) => {
    depth--
    builder.tag(`>${local(name)}`)
  })
  parser.on('text', text => {
    if (depth > 0) builder.text(text)
  })
  parser.on('cdata', text => builder.text(text))
  try {
    parser.write(xml).close()
  } catch {
    return undefined
  }
  return builder.parts
}

function structureOrNothing(xml: string): Structure | undefined {
  try {
    return structure(xml)
  } catch (error) {
    if (error instanceof IntegrityError) return undefined
    throw error
  }
}

describe('XmlReader', () => {
  it.each([
    ['elements and text', '<a>x<b>y</b>z</a>', ['<a', "'x", '<b', "'y", '>b', "'z", '>a']],
    ['an empty element', '<a/>', ['<a', '>a']],
    ['an empty element with attributes', '<a b=\'1\' c = "2" />', ['<a', '>a']],
    ['blanks in tags', '<a\n>x</a\t >', ['<a', "'x", '>a']],
    ['prefixes, which are dropped', '<s3:a xmlns:s3="u"><s3:b/></s3:a>', ['<a', '<b', '>b', '>a']],
    ['a declaration', '<?xml version="1.0" encoding="UTF-8"?>\n<a/>\n', ['<a', '>a']],
    ['a byte order mark', '\ufeff<?xml version="1.0"?><a/>', ['<a', '>a']],
    ['the five entities', '<a>&lt;&gt;&amp;&quot;&apos;</a>', ['<a', `'<>&"'`, '>a']],
    ['character references', '<a>&#65;&#x1F600;&#x1f;</a>', ['<a', "'A😀\u001f", '>a']],
    ['references once only', '<a>&amp;lt;&#38;#65;</a>', ['<a', "'&lt;&#65;", '>a']],
    ['CDATA', '<a>x<![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>', ['<a', "'x<b>&amp;]]>", '>a']],
    ['comments in text', '<a>x<!-- <b> - & -->y</a>', ['<a', "'xy", '>a']],
    ['processing instructions', '<?p <b>?><a>x<?q?>y</a><?r s?>', ['<a', "'xy", '>a']],
    ['line ends as LF', '<a>x\r\ny\rz\n<![CDATA[\r\n]]></a>', ['<a', "'x\ny\nz\n\n", '>a']],
    ['a referenced CR as CR', '<a>x&#13;&#xD;</a>', ['<a', "'x\r\r", '>a']],
    ['blanks in text', '<a> x </a>', ['<a', "' x ", '>a']],
    ['names of any letters', '<ä:é-1.日/>', ['<é-1.日', '>é-1.日']],
    ['`>` and `]]` in text', '<a>x>y]]z</a>', ['<a', "'x>y]]z", '>a']],
    ['`>` in an attribute', '<a b="x>y"/>', ['<a', '>a']],
  ])('reads %s', (_what, xml, expected) => {
    expect(structure(xml)).toEqual(expected)
  })

  it.each([
    ['nothing', ''],
    ['blanks only', ' \n'],
    ['no XML', 'Service Unavailable'],
    ['HTML', '<!DOCTYPE html><html><body><br></body></html>'],
    ['HTML without a DOCTYPE', '<html><body><hr><p>x</p></body></html>'],
    ['half a document', '<a><b>x</b>'],
    ['half a tag', '<a><b'],
    ['half a closing tag', '<a></a'],
    ['half a comment', '<a><!-- x</a>'],
    ['half a CDATA section', '<a><![CDATA[x]]</a>'],
    ['half an instruction', '<a><?x </a>'],
    ['tags that do not match', '<a><b></a></b>'],
    ['a closing tag that begins alike', '<a></ab>'],
    ['a closing tag alone', '</a>'],
    ['two root elements', '<a/><b/>'],
    ['text before the root element', 'x<a/>'],
    ['text behind the root element', '<a/>x'],
    ['CDATA outside the root element', '<a/><![CDATA[x]]>'],
    ['a reference outside the root element', '<a/>&#32;'],
    ['a stray ampersand', '<a>x & y</a>'],
    ['an unfinished entity', '<a>&amp</a>'],
    ['an unknown entity', '<a>&nbsp;</a>'],
    ['an entity of JavaScript objects', '<a>&constructor;</a>'],
    ['a reference to NUL', '<a>&#0;</a>'],
    ['a reference to a surrogate', '<a>&#xD83D;&#xDE00;</a>'],
    ['a reference beyond Unicode', '<a>&#x110000;</a>'],
    ['an empty reference', '<a>&#;</a>'],
    ['a raw control character', '<a>\u0001</a>'],
    ['a raw NUL', '<a>\u0000</a>'],
    ['U+FFFF', '<a>\uffff</a>'],
    ['a lone surrogate', '<a>\ud83d</a>'],
    ['a control character in a comment', '<a><!-- \u0002 --></a>'],
    ['"]]>" in text', '<a>x]]>y</a>'],
    ['"--" in a comment', '<a><!-- x -- y --></a>'],
    ['an attribute without a value', '<a b/>'],
    ['an attribute without quotes', '<a b=1/>'],
    ['attributes without a blank between them', '<a b="1"c="2"/>'],
    ['an attribute twice', '<a b="1" b="2"/>'],
    ['"<" in an attribute', '<a b="<"/>'],
    ['an unknown entity in an attribute', '<a b="&x;"/>'],
    ['a blank before a name', '< a/>'],
    ['a name that begins with a digit', '<1a/>'],
    ['a slash in the wrong place', '<a / >'],
    ['a declaration behind a blank', ' <?xml version="1.0"?><a/>'],
    ['a declaration without a version', '<?xml encoding="UTF-8"?><a/>'],
    ['two declarations', '<?xml version="1.0"?><?xml version="1.0"?><a/>'],
    ['an instruction without a name', '<a><? x?></a>'],
    ['an entity declaration', '<!ENTITY x "y"><a/>'],
    ['characters in another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><a>\ufffd</a>'],
  ])('refuses %s', (_what, xml) => {
    expect(() => structure(xml)).toThrow(IntegrityError)
  })

  it('refuses a DOCTYPE before its entities could grow or fetch', () => {
    const lol = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'
    const file = '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>'
    expect(() => structure(lol)).toThrow('DOCTYPE')
    expect(() => structure(file)).toThrow('DOCTYPE')
  })

  it('takes 64 elements in one another and refuses one more', () => {
    const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth)
    expect(structure(nested(64))).toHaveLength(128)
    expect(() => structure(nested(65))).toThrow('too deeply')
    expect(() => structure('<a>'.repeat(1_000_000))).toThrow('too deeply')
  })

  it('refuses a document of more than 64 Mi characters', () => {
    expect(() => new XmlReader('x'.repeat(64 * 1024 * 1024 + 1))).toThrow('too long')
  })

  it('reads an element with a hundred thousand attributes or references in one pass', () => {
    const attributes = Array.from({ length: 100_000 }, (_, i) => ` a${i}='x'`).join('')
    expect(structure(`<a${attributes}/>`)).toEqual(['<a', '>a'])
    expect(() => structure(`<a${attributes}`)).toThrow(IntegrityError)
    expect(structure(`<a>${'&lt;'.repeat(100_000)}</a>`)[1]).toHaveLength(100_001)
  })

  it('skips what a visitor of children does not read', () => {
    const reader = new XmlReader('<r>x<a><b>1</b><b>2</b></a>y<c>3</c></r>')
    const seen: string[] = [reader.root()]
    reader.eachChild(name => {
      seen.push(name === 'c' ? name + reader.content() : name)
    })
    expect(seen).toEqual(['r', 'a', 'c3'])
    expect(reader.next()).toBe('end')
  })

  it('gives the content of an element without that of elements in it', () => {
    const reader = new XmlReader('<r>x<a>no<b>no</b></a><!---->y<![CDATA[z]]></r>')
    reader.root()
    expect(reader.content()).toBe('xyz')
  })

  it('gives fields by their names, the first of each', () => {
    const reader = new XmlReader('<r> <a>1</a> <b/> <a>2</a> </r>')
    reader.root()
    expect([...reader.fields()]).toEqual([
      ['a', '1'],
      ['b', ''],
    ])
  })
})

describe('XmlReader beside the library saxes', () => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('<a>', '</a>', '<b>', '</b>', '<c/>', 'x', ' ') },
    fc.constantFrom(
      '<',
      '>',
      '/',
      '&',
      ';',
      '"',
      "'",
      '=',
      '!',
      '?',
      '-',
      '--',
      ']]>',
      '\r',
      '\n',
      '\t',
      '#',
      '<!--',
      '-->',
      '<![CDATA[',
      '<?p',
      '<?p q?>',
      '?>',
      '<?xml version="1.0"?>',
      '&amp;',
      '&#65;',
      '&#x20;',
      '&#xD;',
      '&#10;',
      '&lt;',
      '&none;',
      ' b="1"',
      " b='&gt;'",
      ' c = "<"',
      '<a b="1">',
      '<n:a>',
      '</n:a>',
      '<é>',
      '</é>',
      '\ufeff',
      '<a',
      '</',
      '<a ',
      '😀',
      '\u0085',
      '\u2028',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  )
  const wild = fc.array(piece, { maxLength: 25 }).map(pieces => pieces.join(''))
  const { document } = fc.letrec<{ element: string; document: string }>(tie => ({
    element: fc
      .tuple(
        fc.constantFrom('a', 'b', 'n:c', 'é'),
        fc.constantFrom('', ' ', ' b="1"', " b='>' c\n=\t\"&amp;'\""),
        fc.array(
          fc.oneof(
            { maxDepth: 4 },
            fc.constantFrom(
              'x',
              ' ',
              '\r\n',
              '&lt;',
              '&#x41;',
              '<!-- - -->',
              '<?p?>',
              '<![CDATA[<]]]>',
              '<c/>',
              ']]',
              '>',
            ),
            tie('element'),
          ),
          { maxLength: 5 },
        ),
      )
      .map(([name, attributes, content]) => `<${name}${attributes}>${content.join('')}</${name} >`),
    document: fc
      .tuple(fc.constantFrom('', '\ufeff', '<?xml version="1.0"?>\r', '<!---->'), tie('element'))
      .map(([prolog, element]) => prolog + element),
  }))
  /** A document with a few characters lost, doubled or put in. */
  const damaged = fc
    .tuple(document, fc.array(fc.tuple(fc.nat(), fc.nat(3), piece), { maxLength: 3 }))
    .map(([xml, damages]) =>
      damages.reduce((text, [at, length, inserted]) => {
        const start = at % (text.length + 1)
        return text.slice(0, start) + inserted + text.slice(start + length)
      }, xml),
    )

  /**
   * Where both part: a DOCTYPE and encodings (refused here), references to control characters
   * (read here), lone surrogates in comments and an instruction such as `<?p?q?>` (refused here, as
   * by the grammar).
   */
  function comparable(xml: string): boolean {
    const control = /&#(?:0*(?:[0-9]|[12][0-9]|3[01])|x0*1?[0-9a-f]);/i
    const nonCharacter = /&#(?:0*6553[45]|x0*fff[ef]);/i
    if (!xml.isWellFormed()) return false
    return ![/<!DOCTYPE/, /encoding/, control, nonCharacter, /<\?[^\s?]+\?(?!>)/].some(pattern =>
      pattern.test(xml),
    )
  }

  it.each([
    ['documents', document],
    ['damaged documents', damaged],
    ['any text', wild],
  ])('finds the same in %s, or refuses them like it', (_what, texts) => {
    fc.assert(
      fc.property(texts.filter(comparable), xml => {
        expect(structureOrNothing(xml)).toEqual(structureBySaxes(xml))
      }),
      { numRuns: 2_000 },
    )
  })
})
