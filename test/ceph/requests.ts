import { createHash } from 'node:crypto'

/** One request to both servers, in the order of the list; `{name}` stands for what was kept before. */
export interface DifferentialRequest {
  readonly name: string
  readonly method: 'GET' | 'PUT' | 'HEAD' | 'DELETE' | 'POST'
  /** Percent-encoded, below the bucket; starts with `/`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Default `v4`. */
  readonly by?: 'v4' | 'v4-query' | 'v2' | 'v2-query' | 'nobody'
  readonly wrong?: {
    readonly secret?: true
    readonly key?: true
    readonly signature?: string
    readonly skew?: number
    readonly expires?: number
    readonly payload?: string
    readonly unsigned?: readonly string[]
  }
  /** Keeps an element's text for later requests. */
  readonly keep?: Readonly<Record<string, string>>
}

const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('base64')
const etagOf = (text: string | Buffer): string => createHash('md5').update(text).digest('hex')
const sseKey = Buffer.alloc(32, 7)
const sse = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': sseKey.toString('base64'),
  'x-amz-server-side-encryption-customer-key-md5': md5(sseKey),
}
const part = Buffer.alloc(5 * 1024 ** 2, 'part ')
const past = 'Mon, 01 Jan 2001 00:00:00 GMT'
const future = 'Fri, 01 Jan 2038 00:00:00 GMT'

const put = (path: string, body: string, rest: Partial<DifferentialRequest> = {}) =>
  ({ name: `PUT ${path}`, method: 'PUT', path, body, ...rest }) satisfies DifferentialRequest
const get = (path: string, rest: Partial<DifferentialRequest> = {}) =>
  ({ name: `GET ${path}`, method: 'GET', path, ...rest }) satisfies DifferentialRequest
const head = (path: string, rest: Partial<DifferentialRequest> = {}) =>
  ({ name: `HEAD ${path}`, method: 'HEAD', path, ...rest }) satisfies DifferentialRequest
const remove = (path: string, rest: Partial<DifferentialRequest> = {}) =>
  ({ name: `DELETE ${path}`, method: 'DELETE', path, ...rest }) satisfies DifferentialRequest
const list = (
  name: string,
  query: Record<string, string>,
  rest: Partial<DifferentialRequest> = {},
) => ({ name, method: 'GET', path: '/', query, ...rest }) satisfies DifferentialRequest
const copy = (source: string, path: string, rest: Partial<DifferentialRequest> = {}) =>
  ({
    name: `copy ${source} to ${path}`,
    method: 'PUT',
    path,
    ...rest,
    headers: { 'x-amz-copy-source': `/{bucket}/${source}`, ...rest.headers },
  }) satisfies DifferentialRequest

const objects: DifferentialRequest[] = [
  put('/a.txt', 'hello', {
    headers: {
      'content-type': 'text/plain',
      'cache-control': 'max-age=60',
      'content-disposition': 'attachment; filename="a b.txt"',
      'content-language': 'de',
      'content-encoding': 'identity',
      expires: future,
      'x-amz-meta-colour': 'blue',
    },
  }),
  get('/a.txt'),
  head('/a.txt'),
  get('/missing'),
  head('/missing'),
  remove('/missing'),
  put('/empty', ''),
  get('/empty'),
  head('/empty'),
  put('/default-type', 'x'),
  head('/default-type'),
  put('/md5', 'content', { headers: { 'content-md5': md5('content') } }),
  put('/md5', 'content', {
    name: 'PUT with a wrong Content-MD5',
    headers: { 'content-md5': md5('other') },
  }),
  put('/md5', 'content', {
    name: 'PUT with a Content-MD5 that is none',
    headers: { 'content-md5': 'nonsense' },
  }),
  put('/sha', 'content', {
    name: 'PUT with a hash of other content',
    wrong: { payload: createHash('sha256').update('other').digest('hex') },
  }),
  get('/sha', { name: 'GET of what was refused' }),
  put('/unsigned', 'content', { wrong: { payload: 'UNSIGNED-PAYLOAD' } }),
  put('/meta', 'x', {
    headers: { 'x-amz-meta-two': '  two  blanks  ', 'x-amz-meta-upper': 'UPPER' },
  }),
  head('/meta'),
  put('/meta-large', 'x', { headers: { 'x-amz-meta-large': 'x'.repeat(3000) } }),
  remove('/meta-large', { name: 'DELETE of what Ceph alone stored' }),
  put('/class', 'x', { headers: { 'x-amz-storage-class': 'STANDARD_IA' } }),
  head('/class'),
  put('/class-wrong', 'x', { headers: { 'x-amz-storage-class': 'NONSENSE' } }),
  put('/tagged', 'x', { headers: { 'x-amz-tagging': 'a=1&b=two%20words' } }),
  get('/tagged', { name: 'GET ?tagging', query: { tagging: '' } }),
  get('/a.txt', {
    name: 'GET with response-content-type',
    query: { 'response-content-type': 'text/x' },
  }),
  get('/a.txt', {
    name: 'GET with response-content-disposition',
    query: { 'response-content-disposition': 'inline; filename="b.txt"', 'response-expires': past },
  }),
  get('/a.txt', { name: 'GET of a version that is none', query: { versionId: 'nonsense' } }),
]

const ranges: DifferentialRequest[] = [
  'bytes=0-0',
  'bytes=1-3',
  'bytes=3-',
  'bytes=-2',
  'bytes=-99',
  'bytes=0-99',
  'bytes=4-4',
].map(range => get('/a.txt', { name: `GET with Range ${range}`, headers: { range } }))

const wrongRanges: DifferentialRequest[] = [
  get('/a.txt', { name: 'GET with a Range beyond the end', headers: { range: 'bytes=5-' } }),
  get('/a.txt', { name: 'GET with a Range of no bytes', headers: { range: 'bytes=-0' } }),
  get('/a.txt', { name: 'GET with a Range backwards', headers: { range: 'bytes=3-1' } }),
  get('/a.txt', { name: 'GET with a Range of chapters', headers: { range: 'chapters=1-2' } }),
  get('/a.txt', { name: 'GET with two Ranges', headers: { range: 'bytes=0-0,2-2' } }),
  get('/empty', { name: 'GET with a Range of an empty object', headers: { range: 'bytes=0-' } }),
  head('/a.txt', { name: 'HEAD with a Range', headers: { range: 'bytes=1-2' } }),
]

const hello = etagOf('hello')
const conditions: DifferentialRequest[] = [
  ['if-match', `"${hello}"`],
  ['if-match', '"other"'],
  ['if-match', '*'],
  ['if-none-match', `"${hello}"`],
  ['if-none-match', '"other"'],
  ['if-modified-since', past],
  ['if-modified-since', future],
  ['if-unmodified-since', past],
  ['if-unmodified-since', future],
].flatMap(([name = '', value = '']) => [
  get('/a.txt', { name: `GET with ${name}: ${value}`, headers: { [name]: value } }),
  head('/a.txt', { name: `HEAD with ${name}: ${value}`, headers: { [name]: value } }),
])

const combined: DifferentialRequest[] = [
  get('/a.txt', {
    name: 'GET with an entity tag that matches and a date that does not',
    headers: { 'if-match': `"${hello}"`, 'if-unmodified-since': past },
  }),
  get('/a.txt', {
    name: 'GET with an entity tag that differs and a date that would do',
    headers: { 'if-none-match': '"other"', 'if-modified-since': future },
  }),
]

const conditionalWrites: DifferentialRequest[] = [
  put('/once', '1', { name: 'PUT if there is none', headers: { 'if-none-match': '*' } }),
  put('/once', '2', { name: 'PUT if there is none, again', headers: { 'if-none-match': '*' } }),
  get('/once'),
  put('/once', '3', { name: 'PUT if it matches', headers: { 'if-match': etagOf('1') } }),
  put('/once', '4', {
    name: 'PUT if it matches what was there',
    headers: { 'if-match': etagOf('1') },
  }),
  get('/once', { name: 'GET after conditional writes' }),
]

const oddKeys: DifferentialRequest[] = [
  'plus%2Bplus',
  'hash%23hash',
  'what%3F',
  'per%25cent',
  'per%2520cent',
  'a%26b%3Dc',
  'semi%3Bcolon%3Aat%40bang%21quote%27star%2Atilde~',
  'two%20%20blanks',
  'a//b',
  'trailing/',
  'gr%C3%BC%C3%9Fe',
  '%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7.png',
  'dots..inside',
  'back%5Cslash',
  '%3Cangle%3E',
].flatMap(key => [
  put(`/odd/${key}`, 'odd'),
  get(`/odd/${key}`),
  copy(`odd/${key}`, `/copied/${key}`),
])

const longKeys: DifferentialRequest[] = [
  put(`/${'k'.repeat(1024)}`, 'x', { name: 'PUT with a key of 1,024 bytes' }),
  remove(`/${'k'.repeat(1024)}`, { name: 'DELETE with a key of 1,024 bytes' }),
  put(`/${'k'.repeat(1025)}`, 'x', { name: 'PUT with a key of 1,025 bytes' }),
]

const listings: DifferentialRequest[] = [
  list('list everything', { 'list-type': '2' }),
  list('list a prefix', { 'list-type': '2', prefix: 'odd/' }),
  list('list folders', { 'list-type': '2', delimiter: '/' }),
  list('list folders below a prefix', { 'list-type': '2', delimiter: '/', prefix: 'odd/' }),
  list('list by another delimiter', { 'list-type': '2', delimiter: 't' }),
  list('list encoded', { 'list-type': '2', 'encoding-type': 'url', prefix: 'odd/' }),
  list('list after a key', { 'list-type': '2', 'start-after': 'meta' }),
  list('list no keys', { 'list-type': '2', 'max-keys': '0' }),
  list(
    'list three keys',
    { 'list-type': '2', 'max-keys': '3' },
    { keep: { token: 'NextContinuationToken' } },
  ),
  list('list the next three', {
    'list-type': '2',
    'max-keys': '3',
    'continuation-token': '{token}',
  }),
  list('list three with folders', { 'list-type': '2', 'max-keys': '3', delimiter: '/' }),
  list('list with a negative number', { 'list-type': '2', 'max-keys': '-1' }),
  list('list with a number that is none', { 'list-type': '2', 'max-keys': 'many' }),
  list('list more than there may be', { 'list-type': '2', 'max-keys': '5000' }),
  list('list with an unknown encoding', {
    'list-type': '2',
    'encoding-type': 'base64',
    prefix: 'nowhere/',
  }),
  list('list nothing', { 'list-type': '2', prefix: 'nowhere/' }),
  list('list, version 1', {}),
  list('list two keys, version 1', { 'max-keys': '2' }),
  list('list two folders, version 1', { 'max-keys': '2', delimiter: '/' }),
  list('list after a marker, version 1', { marker: 'meta' }),
]

const copies: DifferentialRequest[] = [
  copy('a.txt', '/copy.txt'),
  head('/copy.txt', { name: 'HEAD of a copy' }),
  copy('a.txt', '/copy-meta.txt', {
    name: 'copy with other metadata',
    headers: {
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-colour': 'red',
      'content-type': 'text/css',
    },
  }),
  head('/copy-meta.txt', { name: 'HEAD of a copy with other metadata' }),
  copy('a.txt', '/a.txt', { name: 'copy onto itself' }),
  copy('a.txt', '/a.txt', {
    name: 'copy onto itself with other metadata',
    headers: { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-colour': 'green' },
  }),
  head('/a.txt', { name: 'HEAD after a copy onto itself' }),
  copy('missing', '/copy.txt'),
  copy('a.txt', '/copy.txt', {
    name: 'copy by an unknown directive',
    headers: { 'x-amz-metadata-directive': 'NONSENSE' },
  }),
  copy('a.txt', '/copy-if.txt', {
    name: 'copy if the source differs',
    headers: { 'x-amz-copy-source-if-none-match': `"${hello}"` },
  }),
  copy('a.txt', '/copy-if.txt', {
    name: 'copy if the source matches',
    headers: { 'x-amz-copy-source-if-match': `"${hello}"` },
  }),
  copy('a.txt', '/copy-if.txt', {
    name: 'copy if the source matches another tag',
    headers: { 'x-amz-copy-source-if-match': '"other"' },
  }),
  copy('a.txt', '/copy-if.txt', {
    name: 'copy if the source is older',
    headers: { 'x-amz-copy-source-if-unmodified-since': past },
  }),
  copy('odd/plus+plus', '/copy-if.txt', { name: 'copy a source whose + is not encoded' }),
  remove('/copy-if.txt', { name: 'DELETE of the conditional copy' }),
  {
    name: 'copy from a bucket that is missing',
    method: 'PUT',
    path: '/copy.txt',
    headers: { 'x-amz-copy-source': '/no-such-bucket-here/a.txt' },
  },
  {
    name: 'copy from nothing',
    method: 'PUT',
    path: '/copy.txt',
    headers: { 'x-amz-copy-source': 'nonsense' },
  },
]

const complete = (...parts: [number, string][]): string =>
  `<CompleteMultipartUpload>${parts
    .map(
      ([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`,
    )
    .join('')}</CompleteMultipartUpload>`
const upload = { uploadId: '{upload}' }

const inParts = (
  name: string,
  path: string,
  uploadId: string,
  number: number,
  body: string | Buffer,
): DifferentialRequest => ({
  name,
  method: 'PUT',
  path,
  query: { uploadId, partNumber: String(number) },
  body,
})
const start = (path: string, keep: string): DifferentialRequest => ({
  name: `start an upload to ${path}`,
  method: 'POST',
  path,
  query: { uploads: '' },
  headers: { 'content-type': 'text/plain', 'x-amz-meta-colour': 'blue' },
  keep: { [keep]: 'UploadId' },
})
const finish = (
  name: string,
  body: string,
  path = '/parts',
  uploadId = '{upload}',
): DifferentialRequest => ({ name, method: 'POST', path, query: { uploadId }, body })
const copyPart = (name: string, range: string): DifferentialRequest => ({
  name,
  method: 'PUT',
  path: '/small',
  query: { uploadId: '{small}', partNumber: '2' },
  headers: { 'x-amz-copy-source': '/{bucket}/a.txt', 'x-amz-copy-source-range': range },
})

const multipart: DifferentialRequest[] = [
  start('/parts', 'upload'),
  inParts('upload part 1', '/parts', '{upload}', 1, part),
  inParts('upload part 2', '/parts', '{upload}', 2, 'end'),
  { name: 'list parts', method: 'GET', path: '/parts', query: upload },
  { name: 'list one part', method: 'GET', path: '/parts', query: { ...upload, 'max-parts': '1' } },
  {
    name: 'list parts after 1',
    method: 'GET',
    path: '/parts',
    query: { ...upload, 'part-number-marker': '1' },
  },
  { name: 'list uploads', method: 'GET', path: '/', query: { uploads: '' } },
  finish('complete with a wrong tag', complete([1, etagOf('x')], [2, etagOf('end')])),
  finish('complete with a part that is missing', complete([1, etagOf(part)], [9, etagOf('x')])),
  finish('complete with no XML', 'nonsense'),
  finish('complete without parts', complete()),
  finish('complete', complete([1, etagOf(part)], [2, etagOf('end')])),
  head('/parts', { name: 'HEAD of what was uploaded in parts' }),
  get('/parts', {
    name: 'GET over the seam of two parts',
    headers: { range: `bytes=${part.byteLength - 2}-` },
  }),
  { name: 'abort what is complete', method: 'DELETE', path: '/parts', query: upload },
  start('/small', 'small'),
  inParts('upload a small part', '/small', '{small}', 1, 'small'),
  copyPart('copy a range into a part', 'bytes=1-3'),
  copyPart('copy a range beyond the source', 'bytes=1-99'),
  copyPart('copy a range that is none', 'bytes=-3'),
  finish(
    'complete in a wrong order',
    complete([2, etagOf('ell')], [1, etagOf('small')]),
    '/small',
    '{small}',
  ),
  finish(
    'complete with a small part',
    complete([1, etagOf('small')], [2, etagOf('ell')]),
    '/small',
    '{small}',
  ),
  start('/aborted', 'other'),
  inParts('upload part 0', '/aborted', '{other}', 0, 'x'),
  inParts('upload part 10,001', '/aborted', '{other}', 10_001, 'x'),
  { name: 'abort it', method: 'DELETE', path: '/aborted', query: { uploadId: '{other}' } },
  inParts('upload into what was aborted', '/aborted', '{other}', 1, 'x'),
  {
    name: 'list parts of what was aborted',
    method: 'GET',
    path: '/aborted',
    query: { uploadId: '{other}' },
  },
  inParts('upload into what never was', '/aborted', 'nonsense', 1, 'x'),
]

const deletion = (keys: readonly string[], quiet = false): string =>
  `<Delete>${quiet ? '<Quiet>true</Quiet>' : ''}${keys.map(key => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`
const deleteMany = (
  name: string,
  body: string,
  headers?: Record<string, string>,
): DifferentialRequest => ({
  name,
  method: 'POST',
  path: '/',
  query: { delete: '' },
  body,
  headers: headers ?? { 'content-md5': md5(body) },
})

const deletions: DifferentialRequest[] = [
  deleteMany('delete two keys, one of them missing', deletion(['copy.txt', 'never'])),
  deleteMany('delete quietly', deletion(['copy-meta.txt'], true)),
  deleteMany('delete 1,001 keys', deletion(Array.from({ length: 1001 }, (_, i) => `k${i}`))),
  deleteMany('delete without a hash of the body', deletion(['x']), {}),
  deleteMany('delete with no XML', 'nonsense'),
  deleteMany('delete with other XML', '<Other/>'),
  remove('/once'),
  get('/once', { name: 'GET of what was deleted' }),
]

const signatures: DifferentialRequest[] = [
  get('/a.txt', { name: 'a wrong secret', wrong: { secret: true } }),
  get('/a.txt', { name: 'an unknown key', wrong: { key: true } }),
  get('/a.txt', { name: 'a signature of zeros', wrong: { signature: '0'.repeat(64) } }),
  get('/a.txt', { name: 'a clock 20 minutes behind', wrong: { skew: -1200 } }),
  get('/a.txt', { name: 'a clock 20 minutes ahead', wrong: { skew: 1200 } }),
  get('/a.txt', { name: 'a clock 10 minutes behind', wrong: { skew: -600 } }),
  put('/unsigned-header', 'x', {
    name: 'an x-amz header that is not signed',
    headers: { 'x-amz-meta-a': 'b' },
    wrong: { unsigned: ['x-amz-meta-a'] },
  }),
  put('/hash', 'x', { name: 'a content hash that is none', wrong: { payload: 'nonsense' } }),
  get('/a.txt', { name: 'presigned', by: 'v4-query' }),
  head('/a.txt', { name: 'presigned HEAD', by: 'v4-query' }),
  put('/by-url', 'by url', { name: 'presigned PUT', by: 'v4-query' }),
  get('/a.txt', {
    name: 'presigned and expired',
    by: 'v4-query',
    wrong: { skew: -120, expires: 60 },
  }),
  get('/a.txt', { name: 'presigned for the future', by: 'v4-query', wrong: { skew: 3600 } }),
  get('/a.txt', {
    name: 'presigned for more than a week',
    by: 'v4-query',
    wrong: { expires: 604_801 },
  }),
  get('/a.txt', { name: 'presigned for no time', by: 'v4-query', wrong: { expires: 0 } }),
  get('/a.txt', { name: 'presigned for negative time', by: 'v4-query', wrong: { expires: -5 } }),
  get('/a.txt', { name: 'presigned with a wrong secret', by: 'v4-query', wrong: { secret: true } }),
  get('/a.txt', { name: 'presigned by an unknown key', by: 'v4-query', wrong: { key: true } }),
  get('/a.txt', {
    name: 'presigned with a type',
    by: 'v4-query',
    query: { 'response-content-type': 'text/x' },
  }),
  get('/a.txt', { name: 'version 2', by: 'v2' }),
  put('/v2.txt', 'v2', {
    name: 'version 2 PUT',
    by: 'v2',
    headers: { 'content-type': 'text/plain', 'x-amz-meta-a': 'b' },
  }),
  get('/a.txt', { name: 'version 2 with a wrong secret', by: 'v2', wrong: { secret: true } }),
  get('/a.txt', { name: 'version 2 by an unknown key', by: 'v2', wrong: { key: true } }),
  get('/a.txt', { name: 'version 2 with a late clock', by: 'v2', wrong: { skew: -1200 } }),
  get('/a.txt', { name: 'version 2 of a sub-resource', by: 'v2', query: { tagging: '' } }),
  get('/a.txt', { name: 'version 2 presigned', by: 'v2-query' }),
  get('/a.txt', {
    name: 'version 2 presigned and expired',
    by: 'v2-query',
    wrong: { expires: -5 },
  }),
  get('/a.txt', {
    name: 'version 2 presigned with a wrong secret',
    by: 'v2-query',
    wrong: { secret: true },
  }),
  get('/a.txt', {
    name: 'an Authorization of no kind',
    by: 'nobody',
    headers: { authorization: 'Nonsense abc' },
  }),
]

const rights: DifferentialRequest[] = [
  get('/a.txt', { name: 'anonymous GET of a private object', by: 'nobody' }),
  get('/missing', { name: 'anonymous GET of a missing object', by: 'nobody' }),
  put('/anonymous', 'x', { name: 'anonymous PUT', by: 'nobody' }),
  remove('/a.txt', { name: 'anonymous DELETE', by: 'nobody' }),
  list('anonymous list', {}, { by: 'nobody' }),
  put('/public', 'open', { headers: { 'x-amz-acl': 'public-read' } }),
  get('/public', { name: 'anonymous GET of a public object', by: 'nobody' }),
  get('/public', {
    name: 'anonymous GET with response-content-type',
    by: 'nobody',
    query: { 'response-content-type': 'text/x' },
  }),
  get('/public', { name: 'GET ?acl of a public object', query: { acl: '' } }),
  get('/a.txt', { name: 'GET ?acl of a private object', query: { acl: '' } }),
  put('/acl-wrong', 'x', { headers: { 'x-amz-acl': 'nonsense' } }),
  put('/a.txt', '', {
    name: 'PUT ?acl with a canned ACL',
    query: { acl: '' },
    headers: { 'x-amz-acl': 'public-read' },
  }),
  get('/a.txt', { name: 'anonymous GET after PUT ?acl', by: 'nobody' }),
  put('/a.txt', 'nonsense', { name: 'PUT ?acl with no XML', query: { acl: '' } }),
]

const encryption: DifferentialRequest[] = [
  put('/sse-c', 'secret', { headers: sse }),
  get('/sse-c', { name: 'GET with the customer key', headers: sse }),
  get('/sse-c', { name: 'GET without the customer key' }),
  head('/sse-c', { name: 'HEAD without the customer key' }),
  get('/sse-c', {
    name: 'GET with another customer key',
    headers: {
      ...sse,
      'x-amz-server-side-encryption-customer-key': Buffer.alloc(32, 8).toString('base64'),
      'x-amz-server-side-encryption-customer-key-md5': md5(Buffer.alloc(32, 8)),
    },
  }),
  put('/sse-c-short', 'x', {
    name: 'PUT with a customer key that is too short',
    headers: { ...sse, 'x-amz-server-side-encryption-customer-key': 'c2hvcnQ=' },
  }),
  put('/sse-c-md5', 'x', {
    name: 'PUT with a wrong MD5 of the customer key',
    headers: { ...sse, 'x-amz-server-side-encryption-customer-key-md5': md5('other') },
  }),
  put('/sse-wrong', 'x', { headers: { 'x-amz-server-side-encryption': 'NONSENSE' } }),
]

const buckets: DifferentialRequest[] = [
  { name: 'HEAD of the bucket', method: 'HEAD', path: '/' },
  { name: 'DELETE of a bucket that is not empty', method: 'DELETE', path: '/' },
  { name: 'PUT of the bucket that is there', method: 'PUT', path: '/' },
  { name: 'GET ?versioning', method: 'GET', path: '/', query: { versioning: '' } },
  { name: 'POST to a key without a sub-resource', method: 'POST', path: '/a.txt', body: 'x' },
]

/** All requests, in their order. */
export const REQUESTS: readonly DifferentialRequest[] = [
  ...objects,
  ...ranges,
  ...wrongRanges,
  ...conditions,
  ...combined,
  ...conditionalWrites,
  ...oddKeys,
  ...longKeys,
  ...copies,
  ...listings,
  ...multipart,
  ...deletions,
  ...signatures,
  ...rights,
  ...encryption,
  ...buckets,
]
