import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../core/errors.ts'
import {
  contentDisposition,
  decodeMetadata,
  encodeKey,
  encodeMetadata,
  encodeRfc3986,
} from './encoding.ts'

/** Any well-formed text, with what headers and encoded words are made of more often than chance. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '=?',
        '?=',
        '=?UTF-8?B?',
        '=?UTF-8?Q?a?=',
        ' ',
        '  ',
        '_',
        '\t',
        '\ufeff',
        '😀',
      ),
    ),
    { maxLength: 30 },
  )
  .map(parts => parts.join(''))
  .filter(text => text.isWellFormed())

const loneSurrogate = 'a\ud800b'

describe('encodeRfc3986', () => {
  it.each([
    ['AZaz09-._~', 'AZaz09-._~'],
    ["!*'()", '%21%2A%27%28%29'],
    ['a b+c/d%', 'a%20b%2Bc%2Fd%25'],
    ['é日😀', '%C3%A9%E6%97%A5%F0%9F%98%80'],
    ['a\nb', 'a%0Ab'],
    ['', ''],
  ])('encodes %j as %j', (text, encoded) => {
    expect(encodeRfc3986(text)).toBe(encoded)
  })

  it('leaves unreserved characters only, and is undone by decodeURIComponent', () => {
    fc.assert(
      fc.property(anyText, text => {
        const encoded = encodeRfc3986(text)
        expect(encoded).toMatch(/^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/)
        expect(decodeURIComponent(encoded)).toBe(text)
      }),
    )
  })

  it('refuses a lone surrogate instead of sending another character', () => {
    expect(() => encodeRfc3986(loneSurrogate)).toThrow(ValidationError)
  })
})

describe('encodeKey', () => {
  it.each([
    ['a/b/c.txt', 'a/b/c.txt'],
    ['a//b/', 'a//b/'],
    ["x~!*()'y", 'x~%21%2A%28%29%27y'],
    ['a b/é+&.txt', 'a%20b/%C3%A9%2B%26.txt'],
    ['a%2Fb', 'a%252Fb'],
    ['a?b#c', 'a%3Fb%23c'],
  ])('encodes %j as %j', (key, encoded) => {
    expect(encodeKey(key)).toBe(encoded)
  })

  it('encodes each segment alone', () => {
    fc.assert(
      fc.property(fc.array(anyText), segments => {
        const key = segments.join('/')
        expect(encodeKey(key)).toBe(key.split('/').map(encodeRfc3986).join('/'))
      }),
    )
  })
})

describe('metadata', () => {
  it.each(['', 'plain', 'two words', "~!@#$%^&*()_+{}|:<>?'"])('leaves %j as it is', value => {
    expect(encodeMetadata(value)).toBe(value)
  })

  it.each([
    ['é', '=?UTF-8?B?w6k=?='],
    [' lead', '=?UTF-8?B?IGxlYWQ=?='],
    ['trail ', '=?UTF-8?B?dHJhaWwg?='],
    ['a  b', '=?UTF-8?B?YSAgYg==?='],
    ['a\tb', '=?UTF-8?B?YQli?='],
    ['=?UTF-8?Q?a?=', '=?UTF-8?B?PT9VVEYtOD9RP2E/PQ==?='],
  ])('sends %j as %j', (value, header) => {
    expect(encodeMetadata(value)).toBe(header)
  })

  it('comes back as it was sent, in words of legal length', () => {
    fc.assert(
      fc.property(anyText, value => {
        const header = encodeMetadata(value)
        expect(header).toMatch(/^[\u0020-\u007e]*$/)
        if (header !== value)
          for (const word of header.split(' ')) expect(word.length).toBeLessThanOrEqual(75)
        expect(decodeMetadata(header)).toBe(value)
      }),
    )
  })

  it.each([
    ['=?UTF-8?Q?caf=C3=A9_=3D?=', 'café ='],
    ['=?utf-8?q?=E6=97=A5?= =?UTF-8?B?5pys?=', '日本'],
    ['see =?UTF-8?B?w6k=?= there', 'see =?UTF-8?B?w6k=?= there'],
    ['=?UTF-8?B??=', ''],
    ['=?UTF-8?Q?=EF=BB=BFx?=', '\ufeffx'],
  ])('reads %j as %j', (header, value) => {
    expect(decodeMetadata(header)).toBe(value)
  })

  it('joins a character that a service split between two words', () => {
    expect(decodeMetadata('=?UTF-8?Q?=E6=97?= =?UTF-8?Q?=A5?=')).toBe('日')
  })

  it.each(['=?UTF-8?B?!!!?=', '=?UTF-8?Q?=FF?=', '=?ISO-8859-1?Q?=E9?=', '=?UTF-8?B?w6k', 'a=?b'])(
    'leaves %j, which is no encoded word in UTF-8',
    header => {
      expect(decodeMetadata(header)).toBe(header)
    },
  )

  it('refuses a lone surrogate instead of storing another character', () => {
    expect(() => encodeMetadata(loneSurrogate)).toThrow(ValidationError)
  })
})

describe('contentDisposition', () => {
  it.each([
    ['report.pdf', 'attachment; filename="report.pdf"'],
    ['a b.txt', 'attachment; filename="a b.txt"'],
    ['naïve.txt', `attachment; filename="na_ve.txt"; filename*=UTF-8''na%C3%AFve.txt`],
    ['😀', `attachment; filename="_"; filename*=UTF-8''%F0%9F%98%80`],
    ['a"b\\c', `attachment; filename="a_b_c"; filename*=UTF-8''a%22b%5Cc`],
    ['50%.txt', `attachment; filename="50_.txt"; filename*=UTF-8''50%25.txt`],
    [
      'a\r\nSet-Cookie: x',
      `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`,
    ],
  ])('names %j', (filename, header) => {
    expect(contentDisposition(filename)).toBe(header)
  })

  it('is one header of visible ASCII for any name, which a client finds in it', () => {
    fc.assert(
      fc.property(anyText, filename => {
        const header = contentDisposition(filename)
        const match =
          /^attachment; filename="([^"\\\u0000-\u001f\u007f-\uffff]*)"(?:; filename\*=UTF-8''([\w.~%-]*))?$/.exec(
            header,
          )
        expect(match).not.toBeNull()
        expect(match?.[2] === undefined ? match?.[1] : decodeURIComponent(match[2])).toBe(filename)
      }),
    )
  })
})
