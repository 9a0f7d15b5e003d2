// The null server for machines without a C compiler: the answers of null-server.c on node:net. It
// takes more of the second core, so figures are noisier beside it; CPU per call stays comparable.
// With `--tls` it speaks TLS, and tells its counters on a second port, without.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

const objectBytes = 4096
const pageKeys = 1000
const allKeys = 100_000
const counters = {
  connections: 0,
  put: 0,
  get: 0,
  head: 0,
  delete: 0,
  post: 0,
  list: 0,
  bodyBytes: 0,
}
const object = 'x'.repeat(objectBytes)

const common = [
  'x-amz-id-2: Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4',
  'x-amz-request-id: 7B4A0FABBEXAMPLE',
  'Date: Wed, 25 Nov 2026 12:00:00 GMT',
  'Server: AmazonS3',
].join('\r\n')
const etag = '"0123456789abcdef0123456789abcdef"'
const objectHeaders = [
  'Last-Modified: Tue, 24 Nov 2026 12:00:00 GMT',
  `ETag: ${etag}`,
  'x-amz-server-side-encryption: AES256',
  'Accept-Ranges: bytes',
  'Content-Type: application/octet-stream',
].join('\r\n')

const take = socket => new Connection(socket)
const plain = createServer({ noDelay: true }, take)
if (process.argv.includes('--tls')) {
  const pem = name => readFileSync(new URL(`../../test/fixtures/tls/${name}.pem`, import.meta.url))
  const secure = createTlsServer({ cert: pem('server'), key: pem('server-key') }, socket => {
    socket.setNoDelay(true)
    take(socket)
  })
  secure.listen(0, '127.0.0.1', () => listen(plain, secure))
} else {
  listen(plain)
}

/** Says where it listens: a port for requests, and one for the counters. */
function listen(server, secure = server) {
  server.listen(0, '127.0.0.1', () => {
    console.log(secure.address().port, server.address().port)
  })
}

// Ends with the process that started it, as the C server does.
process.on('disconnect', () => process.exit())

/** Takes one request after the other from a socket. */
class Connection {
  #socket
  #counted = false
  #pending = ''
  #request
  #bodyLeft = 0

  constructor(socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', () => socket.destroy())
  }

  #take(chunk) {
    let rest = chunk
    while (rest.length > 0) {
      rest = this.#request === undefined ? this.#takeHead(rest) : rest
      rest = this.#takeBody(rest)
    }
  }

  #takeHead(chunk) {
    const before = this.#pending.length
    const text = this.#pending + chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    this.#pending = end === -1 ? text : ''
    if (end === -1) return chunk.subarray(chunk.length)
    this.#open(text.slice(0, end))
    return chunk.subarray(end + 4 - before)
  }

  #open(head) {
    const [method, target] = head.split(' ', 2)
    this.#request = { method, target, range: /\r\nrange: bytes=(\d+)-(\d*)/i.exec(head) }
    this.#bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    if (/\r\nexpect: /i.test(head)) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  }

  #takeBody(chunk) {
    if (this.#request === undefined) return chunk
    const taken = Math.min(this.#bodyLeft, chunk.length)
    counters.bodyBytes += taken
    this.#bodyLeft -= taken
    if (this.#bodyLeft === 0) this.#answer()
    return chunk.subarray(taken)
  }

  #answer() {
    const request = this.#request
    this.#request = undefined
    if (!this.#counted && !request.target.startsWith('/_null/')) {
      this.#counted = true
      counters.connections++
    }
    this.#socket.write(answerTo(request))
  }
}

function answerTo(request) {
  const { method, target } = request
  if (target.startsWith('/_null/')) return documentAnswer(JSON.stringify(counters))
  if (method === 'GET')
    return target.includes('list-type=2') ? listing(target) : objectAnswer(request)
  counters[method.toLowerCase()]++
  if (method === 'PUT')
    return `HTTP/1.1 200 OK\r\n${common}\r\nETag: ${etag}\r\nContent-Length: 0\r\n\r\n`
  if (method === 'HEAD') return headOfObject('200 OK', `Content-Length: ${objectBytes}`)
  if (method === 'DELETE') return `HTTP/1.1 204 No Content\r\n${common}\r\n\r\n`
  return documentAnswer(target.includes('uploadId=') ? completed : created)
}

const created =
  '<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>key</Key><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>'
const completed = `<CompleteMultipartUploadResult><Bucket>bench</Bucket><Key>key</Key><ETag>${etag}</ETag></CompleteMultipartUploadResult>`

function headOfObject(status, ...headers) {
  return `HTTP/1.1 ${status}\r\n${common}\r\n${objectHeaders}\r\n${headers.join('\r\n')}\r\n\r\n`
}

function objectAnswer({ range }) {
  counters.get++
  if (range === null) return headOfObject('200 OK', `Content-Length: ${objectBytes}`) + object
  const start = Number(range[1])
  const end = range[2] === '' ? objectBytes : Math.min(objectBytes, Number(range[2]) + 1)
  if (start >= end)
    return `HTTP/1.1 416 Range Not Satisfiable\r\n${common}\r\nContent-Length: 0\r\n\r\n`
  const place = `Content-Range: bytes ${start}-${end - 1}/${objectBytes}`
  return (
    headOfObject('206 Partial Content', place, `Content-Length: ${end - start}`) +
    object.slice(start, end)
  )
}

function listing(target) {
  counters.list++
  const first = Number(/continuation-token=(\d+)/.exec(target)?.[1] ?? 0)
  const next = first + pageKeys
  const more =
    next < allKeys
      ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`
      : '<IsTruncated>false</IsTruncated>'
  const encoding = target.includes('encoding-type=url') ? '<EncodingType>url</EncodingType>' : ''
  const contents = Array.from({ length: pageKeys }, (_, index) => contentsOf(first + index)).join(
    '',
  )
  return documentAnswer(
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix></Prefix><KeyCount>${pageKeys}</KeyCount><MaxKeys>${pageKeys}</MaxKeys>${encoding}${more}${contents}</ListBucketResult>`,
  )
}

function contentsOf(number) {
  const folder = String(Math.floor(number / 1000)).padStart(3, '0')
  const key = `media/2026/${folder}/picture-${String(number).padStart(6, '0')}.jpg`
  const hash = number.toString(16).padStart(32, '0')
  return `<Contents><Key>${key}</Key><LastModified>2026-11-24T12:00:00.000Z</LastModified><ETag>&quot;${hash}&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>${1000 + number}</Size><StorageClass>STANDARD</StorageClass></Contents>`
}

function documentAnswer(text) {
  return `HTTP/1.1 200 OK\r\n${common}\r\nContent-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}
