import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { contentTypeOf } from './content-type.ts'

interface TypeAndEncoding {
  readonly type: string | null
  readonly encoding: string | null
}

interface Case {
  readonly name: string
  readonly expect: TypeAndEncoding
  readonly newer?: TypeAndEncoding
}

const file = new URL('../../test/fixtures/vectors/mimetypes.json', import.meta.url)
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Case[] }

/** Names for which Python's table says something else, by the reason. */
const differences: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  'gzip is the type of a compressed file; it is no encoding that browsers undo': {
    'a.tar.gz': 'application/gzip',
    'a/b/c.tar.gz': 'application/gzip',
    'a.tar.gz.gz': 'application/gzip',
    'a.tgz': 'application/gzip',
    'a.gz': 'application/gzip',
    'a.GZ': 'application/gzip',
    'a.js.gz': 'application/gzip',
    'a.txt.gz': 'application/gzip',
  },
  "types that Python's table lacks": {
    'a.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'a.eot': 'application/vnd.ms-fontobject',
    'a.epub': 'application/epub+zip',
    'a.flac': 'audio/x-flac',
    'a.geojson': 'application/geo+json',
    'a.js.map': 'application/json',
    'a.jsx': 'text/jsx',
    'a.log': 'text/plain',
    'a.m4a': 'audio/mp4',
    'a.php': 'application/x-httpd-php',
    'a.rar': 'application/vnd.rar',
    'a.rtf': 'application/rtf',
    'a.ts': 'video/mp2t',
    'a.ttf': 'font/ttf',
    'a.woff2': 'font/woff2',
    'file.srt': 'application/x-subrip',
  },
  "registered at IANA where Python's table has an unregistered or an older type": {
    'file.3g2': 'video/3gpp2',
    'file.3gpp': 'video/3gpp',
    'file.me': 'text/troff',
    'file.ms': 'text/troff',
    'file.pl': 'application/x-perl',
    'file.pyo': 'model/vnd.pytha.pyox',
    'file.sgml': 'text/sgml',
  },
}

describe('contentTypeOf', () => {
  it("differs from Python's table for known reasons only", () => {
    const found: Record<string, string | undefined> = {}
    for (const { name, expect: then, newer } of cases) {
      const ours = contentTypeOf(name)
      const known = [then.type, newer?.type].map(type => type ?? undefined)
      if (!known.includes(ours)) found[name] = ours
    }
    expect(cases).toHaveLength(140)
    expect(found).toEqual(Object.assign({}, ...Object.values(differences)))
  })

  it('looks at the last suffix of the last segment, in any case', () => {
    expect(contentTypeOf('d.png/A.TXT')).toBe('text/plain')
    expect(contentTypeOf('d.png/a')).toBeUndefined()
    expect(contentTypeOf('.png')).toBeUndefined()
    expect(contentTypeOf('a.png.')).toBeUndefined()
    expect(contentTypeOf('a.svgz')).toBe('image/svg+xml')
  })
})
