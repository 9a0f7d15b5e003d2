import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import { IntegrityError, ValidationError } from '../../core/errors.ts'
import { encodeRfc3986 } from './encoding.ts'
import {
  completeDocument,
  deleteDocument,
  type Listing,
  parseCompleteUpload,
  parseCopyResult,
  parseDeleteResult,
  parseErrorDocument,
  parseInitiateUpload,
  parseListing,
  parseListUploads,
} from './list-xml.ts'
import { XmlReader } from './xml.ts'

const xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
const time = '2026-11-24T10:20:30.123Z'

/** Text in an element, as a service writes it: S3 refers to control characters by number. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>\u0000-\u001f\ufffe\uffff]/g, char => `&#${char.charCodeAt(0)};`)
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}

function entry(key: string, more = ''): string {
  const required = `<Key>${key}</Key><LastModified>${time}</LastModified><Size>1</Size>`
  return element('Contents', required + more)
}

function listing(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult ${xmlns}>${content}</ListBucketResult>`
}

function keysOf(xml: string): string[] {
  return parseListing(xml).objects.map(({ key }) => key)
}

/** Every well-formed text but NUL, which no key has. */
const anyKey = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .map(text => text.replaceAll('\u0000', '+'))
  .filter(text => text.isWellFormed())

const anyListing: fc.Arbitrary<Listing> = fc.record({
  objects: fc.array(
    fc.record({
      key: anyKey,
      size: fc.maxSafeNat(),
      lastModified: fc
        .date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
        .map(Number),
      etag: fc.option(fc.constantFrom('d41d8cd98f00b204e9800998ecf8427e-2', 'x"y'), {
        nil: undefined,
      }),
      storageClass: fc.option(fc.constantFrom('STANDARD', 'GLACIER'), { nil: undefined }),
    }),
    { maxLength: 6 },
  ),
  prefixes: fc.array(anyKey, { maxLength: 3 }),
  truncated: fc.boolean(),
  nextToken: fc.option(anyKey, { nil: undefined }),
})

/** A page as services write them: elements in any order, others between them. */
function written(page: Listing, url: boolean, order: number): string {
  const name = (text: string): string =>
    url ? encodeRfc3986(text).replaceAll('%20', '+') : escaped(text)
  const optional = (tag: string, text: string | undefined): string[] =>
    text === undefined ? [] : [element(tag, text)]
  const contents = page.objects.map(({ key, size, lastModified, etag, storageClass }) =>
    element(
      'Contents',
      shuffled(order, [
        element('Key', name(key)),
        element('Size', String(size)),
        element('LastModified', new Date(lastModified).toISOString()),
        ...optional('ETag', etag === undefined ? undefined : `&quot;${escaped(etag)}&quot;`),
        ...optional('StorageClass', storageClass),
        '<Owner><ID>1</ID><Key>not the key</Key></Owner>',
        '\n  ',
      ]),
    ),
  )
  const parts = [
    ...contents,
    ...page.prefixes.map(prefix => element('CommonPrefixes', element('Prefix', name(prefix)))),
    '<Name>b</Name><Prefix>not+a+prefix</Prefix><Key>not a key</Key>\n',
    element('IsTruncated', String(page.truncated)),
    ...optional(
      'NextContinuationToken',
      page.nextToken === undefined ? undefined : escaped(page.nextToken),
    ),
    ...(url ? ['<EncodingType>url</EncodingType>'] : []),
  ]
  return listing(rotated(order, parts))
}

/** Entries together, at some place among the others. */
function rotated(order: number, parts: readonly string[]): string {
  const entries = parts.filter(part => /^<Con|^<Com/.test(part))
  const others = parts.filter(part => !/^<Con|^<Com/.test(part))
  const at = order % (others.length + 1)
  return [...others.slice(0, at), ...entries, ...others.slice(at)].join('')
}

function shuffled(order: number, parts: readonly string[]): string {
  const at = order % parts.length
  return [...parts.slice(at), ...parts.slice(0, at)].join('')
}

describe('parseListing', () => {
  it('reads a page of S3', () => {
    const page = listing(
      `<Name>media</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>
       <Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
       <Contents><Key>a+b%2B.txt</Key><LastModified>${time}</LastModified>
         <ETag>&quot;d41d&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>12</Size>
         <StorageClass>STANDARD</StorageClass></Contents>
       <CommonPrefixes><Prefix>d%C3%A9/</Prefix></CommonPrefixes>
       <NextContinuationToken>1/a+b==</NextContinuationToken>`,
    )
    expect(parseListing(page)).toEqual({
      objects: [
        {
          key: 'a b+.txt',
          size: 12,
          lastModified: Date.parse(time),
          etag: 'd41d',
          storageClass: 'STANDARD',
        },
      ],
      prefixes: ['dé/'],
      truncated: true,
      nextToken: '1/a+b==',
    })
  })

  it('reads an empty page', () => {
    const empty = { objects: [], prefixes: [], truncated: false, nextToken: undefined }
    expect(parseListing(`<ListBucketResult ${xmlns}/>`)).toEqual(empty)
    expect(parseListing(listing('<IsTruncated>false</IsTruncated>'))).toEqual(empty)
  })

  it('reads any page, whatever the order of elements and with or without encoded keys', () => {
    fc.assert(
      fc.property(anyListing, fc.boolean(), fc.nat(20), (page, url, order) => {
        expect(parseListing(written(page, url, order))).toEqual(page)
      }),
    )
  })

  it('decodes keys only where the page says that they are encoded', () => {
    const key = 'a+b%20c'
    expect(keysOf(listing(entry(key)))).toEqual([key])
    expect(keysOf(listing(`${entry(key)}<EncodingType>url</EncodingType>`))).toEqual(['a b c'])
  })

  it('takes prefixes of names, CDATA and entities for what they are', () => {
    const inner = `<s:Contents><s:Key><![CDATA[<&]]>&amp;lt;</s:Key><s:Size>1</s:Size><s:LastModified>${time}</s:LastModified></s:Contents>`
    expect(keysOf(`<s:ListBucketResult xmlns:s="u">${inner}</s:ListBucketResult>`)).toEqual([
      '<&&lt;',
    ])
  })

  it('keeps an ETag that is not in quotes', () => {
    const etags = ['<ETag>abc</ETag>', '<ETag>"</ETag>', '<ETag>W/"a"</ETag>', '']
    const page = parseListing(listing(etags.map(etag => entry('k', etag)).join('')))
    expect(page.objects.map(({ etag }) => etag)).toEqual(['abc', '"', 'W/"a"', undefined])
  })

  it('reads times with an offset and with fractions of any length', () => {
    const times = [
      '2026-11-24T10:20:30Z',
      '2026-11-24T11:20:30.0+01:00',
      '2026-11-24T10:20:30.000000Z',
    ]
    const page = listing(times.map(text => entry('k').replace(time, text)).join(''))
    expect(parseListing(page).objects.map(({ lastModified }) => lastModified)).toEqual(
      times.map(() => Date.parse('2026-11-24T10:20:30Z')),
    )
  })

  it.each([
    ['another document', '<ListAllMyBucketsResult/>'],
    ['HTML', '<html></html>'],
    ['nothing', ''],
    ['a page that was cut off', listing(entry('a')).slice(0, -25)],
    ['something behind the page', `${listing('')}<x/>`],
    ['an entry without a key', listing(entry('a').replace(/<Key>.*<\/Key>/, ''))],
    ['an entry without a size', listing(entry('a').replace('<Size>1</Size>', ''))],
    ['an entry without a time', listing(entry('a').replace(/<Last.*Modified>/, ''))],
    ['a size that is none', listing(entry('a').replace('>1<', '>0x1<'))],
    ['an empty size', listing(entry('a').replace('>1<', '><'))],
    ['a negative size', listing(entry('a').replace('>1<', '>-1<'))],
    ['a size beyond all numbers', listing(entry('a').replace('>1<', `>${'9'.repeat(20)}<`))],
    ['a time that is none', listing(entry('a').replace(time, '2026-13-24T10:20:30Z'))],
    ['a time of another kind', listing(entry('a').replace(time, 'Tue, 24 Nov 2026 10:20:30 GMT'))],
    ['a key that is no UTF-8', listing(`${entry('%FF')}<EncodingType>url</EncodingType>`)],
    ['a common prefix without a prefix', listing('<CommonPrefixes/>')],
  ])('refuses %s', (_what, xml) => {
    expect(() => parseListing(xml)).toThrow(IntegrityError)
  })
})

describe('parseErrorDocument', () => {
  it('reads what an error says', () => {
    const xml = `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The key &lt;x&gt; does not exist.</Message>
      <Region>eu-west-1</Region><BucketName>media</BucketName><Key>x</Key><RequestId>R1</RequestId></Error>`
    expect(parseErrorDocument(xml)).toEqual({
      code: 'NoSuchKey',
      message: 'The key <x> does not exist.',
      region: 'eu-west-1',
      bucket: 'media',
      key: 'x',
      requestId: 'R1',
    })
  })

  it('reads an error with a namespace and with no more than a code', () => {
    expect(parseErrorDocument(`<Error ${xmlns}><Code>SlowDown</Code></Error>`)).toEqual({
      code: 'SlowDown',
      message: '',
      region: undefined,
      bucket: undefined,
      key: undefined,
      requestId: undefined,
    })
  })

  it.each([
    '',
    'Bad Gateway',
    '<html><body>503<br></body></html>',
    '<!DOCTYPE html><title>x</title>',
    '<Error><Code>NoSuchKey</Code>',
    '<Error><Code>NoSuchKey</Message></Error>',
    '<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>',
  ])('takes %j for no error document', text => {
    expect(parseErrorDocument(text)).toBeUndefined()
  })

  it('throws for no text at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        parseErrorDocument(text)
        parseErrorDocument(`<Error>${text}</Error>`)
      }),
    )
  })
})

describe('parseDeleteResult', () => {
  it('gives the keys that were not deleted', () => {
    const xml = `<DeleteResult ${xmlns}><Deleted><Key>gone</Key></Deleted>
      <Error><Key>a &amp; b</Key><Code>AccessDenied</Code><Message>No.</Message></Error>
      <Error><Key>c</Key></Error></DeleteResult>`
    expect(parseDeleteResult(xml).errors).toEqual([
      { key: 'a & b', code: 'AccessDenied', message: 'No.' },
      { key: 'c', code: '', message: '' },
    ])
    expect(parseDeleteResult('<DeleteResult/>').errors).toEqual([])
  })

  it.each([
    '',
    '<Error><Code>AccessDenied</Code></Error>',
    '<DeleteResult>',
    '<DeleteResult><Error><Code>x</Code></Error></DeleteResult>',
  ])('refuses %j', xml => {
    expect(() => parseDeleteResult(xml)).toThrow(IntegrityError)
  })
})

describe('the answers to uploads and copies', () => {
  it('gives the id of a new upload', () => {
    const xml = `<InitiateMultipartUploadResult ${xmlns}><Bucket>b</Bucket><Key>k</Key><UploadId>id/+=</UploadId></InitiateMultipartUploadResult>`
    expect(parseInitiateUpload(xml)).toBe('id/+=')
  })

  it('gives the ETag of what was put together', () => {
    const xml = `<CompleteMultipartUploadResult ${xmlns}><Key>k</Key><ETag>&quot;abc-2&quot;</ETag></CompleteMultipartUploadResult>`
    expect(parseCompleteUpload(xml)).toEqual({ etag: 'abc-2' })
  })

  it('gives ETag, time and checksums of a copy', () => {
    const checksums = '<ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumSHA256>c2hh</ChecksumSHA256>'
    const inner = `<LastModified>${time}</LastModified><ETag>"abc"</ETag>${checksums}`
    const result = {
      etag: 'abc',
      lastModified: Date.parse(time),
      checksums: { crc32: 'AAAAAA==', sha256: 'c2hh' },
    }
    expect(parseCopyResult(element('CopyObjectResult', inner))).toEqual(result)
    expect(parseCopyResult(element('CopyPartResult', inner))).toEqual(result)
    expect(parseCopyResult('<CopyObjectResult/>')).toEqual({ checksums: {} })
  })

  it.each([
    ['nothing', ''],
    ['an error', '<Error><Code>InternalError</Code></Error>'],
    ['blanks that keep the connection open, and no more', '  \n '],
    ['half a document', '<CompleteMultipartUploadResult>'],
  ])('takes %s for no success', (_what, xml) => {
    expect(() => parseInitiateUpload(xml)).toThrow(IntegrityError)
    expect(() => parseCompleteUpload(xml)).toThrow(IntegrityError)
    expect(() => parseCopyResult(xml)).toThrow(IntegrityError)
  })

  it('refuses a new upload without an id', () => {
    const name = 'InitiateMultipartUploadResult'
    expect(() => parseInitiateUpload(`<${name}/>`)).toThrow(IntegrityError)
    expect(() => parseInitiateUpload(element(name, '<UploadId/>'))).toThrow(IntegrityError)
  })
})

describe('parseListUploads', () => {
  it('gives the open uploads and where to go on', () => {
    const xml = `<ListMultipartUploadsResult ${xmlns}><NextKeyMarker>a+b</NextKeyMarker><NextUploadIdMarker>i+2</NextUploadIdMarker>
      <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
      <Upload><Key>a+b</Key><UploadId>i+2</UploadId><Initiator><ID>me</ID></Initiator><Initiated>${time}</Initiated></Upload>
      </ListMultipartUploadsResult>`
    expect(parseListUploads(xml)).toEqual({
      uploads: [{ key: 'a b', uploadId: 'i+2', initiated: Date.parse(time) }],
      truncated: true,
      nextKeyMarker: 'a b',
      nextUploadIdMarker: 'i+2',
    })
  })

  it('refuses an upload without its id, key or time', () => {
    const whole = `<Key>k</Key><UploadId>i</UploadId><Initiated>${time}</Initiated>`
    const page = (upload: string): string =>
      element('ListMultipartUploadsResult', element('Upload', upload))
    expect(parseListUploads(page(whole)).uploads).toHaveLength(1)
    for (const name of ['Key', 'UploadId', 'Initiated']) {
      const part = new RegExp(`<${name}>.*</${name}>`)
      expect(() => parseListUploads(page(whole.replace(part, '')))).toThrow(IntegrityError)
    }
  })
})

/** The texts of all elements of a name, read by our own reader. */
function contents(xml: string, wanted: string): string[] {
  const reader = new XmlReader(xml)
  const texts: string[] = []
  const visit = (name: string): void => {
    if (name === wanted) texts.push(reader.content())
    else reader.eachChild(visit)
  }
  visit(reader.root())
  return texts
}

describe('request documents', () => {
  it('name the keys to delete, and ask for errors only', () => {
    expect(deleteDocument(['a/b.txt', '<&>"\'é'])).toBe(
      `<Delete ${xmlns}><Object><Key>a/b.txt</Key></Object><Object><Key>&#60;&#38;&#62;&#34;'é</Key></Object><Quiet>true</Quiet></Delete>`,
    )
  })

  it('hold any key, whatever characters it has', () => {
    fc.assert(
      fc.property(fc.array(anyKey), keys => {
        expect(contents(deleteDocument(keys), 'Key')).toEqual(keys)
      }),
    )
  })

  it('are well-formed to others where XML 1.0 can hold the key', () => {
    const inXml = anyKey.filter(
      key => !/[\u0001-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(key),
    )
    fc.assert(
      fc.property(inXml, key => {
        let text = ''
        const parser = new SaxesParser()
        parser.on('text', part => {
          text += part
        })
        parser.write(completeDocument([{ partNumber: 1, etag: key }])).close()
        expect(text).toBe(`1${key}`)
      }),
    )
  })

  it('refuse a lone surrogate, which would name another key', () => {
    expect(() => deleteDocument(['a\ud800'])).toThrow(ValidationError)
  })

  it('name the parts of an upload', () => {
    expect(completeDocument([{ partNumber: 2, etag: '"x"' }])).toBe(
      `<CompleteMultipartUpload ${xmlns}><Part><PartNumber>2</PartNumber><ETag>&#34;x&#34;</ETag></Part></CompleteMultipartUpload>`,
    )
  })
})
