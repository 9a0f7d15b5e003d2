// An endpoint for the benchmark of open files: objects of 10 GiB that are made as they are read, and
// uploads that go nowhere. A process of its own, on 127.0.0.1; ends with the one that started it.
//   node open-files-server.mjs [certificate key]   over TLS with a certificate
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

const objectBytes = 10 * 1024 ** 3
const piece = Buffer.alloc(1024 * 1024, 0x78)
const etag = '"0123456789abcdef0123456789abcdef"'
const counters = { connections: 0, requests: 0, sent: 0, received: 0 }

const [cert, key] = process.argv.slice(2).map(path => readFileSync(path))
const options = { noDelay: true, cert, key }
const server =
  cert === undefined
    ? createServer(options, socket => new Connection(socket))
    : createTlsServer(options, socket => new Connection(socket))
server.listen(0, '127.0.0.1', () => {
  const scheme = cert === undefined ? 'http' : 'https'
  process.send({ origin: `${scheme}://127.0.0.1:${server.address().port}` })
})
process.on('message', () => process.send({ counters }))
process.on('disconnect', () => process.exit())

/** Takes one request after the other from a socket. */
class Connection {
  #socket
  #head = ''
  #request
  #left = 0

  constructor(socket) {
    counters.connections++
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', chunk => this.#take(chunk))
  }

  #take(chunk) {
    if (this.#left > 0) {
      // A request's body; nothing follows it before it was answered.
      counters.received += chunk.byteLength
      this.#left -= chunk.byteLength
      if (this.#left <= 0) this.#answer()
      return
    }
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    this.#request = this.#head.slice(0, end)
    const rest = this.#head.length - end - 4
    this.#head = ''
    counters.requests++
    counters.received += rest
    this.#left = Number(/^content-length: (\d+)$/im.exec(this.#request)?.[1] ?? 0) - rest
    if (this.#left <= 0) this.#answer()
  }

  #answer() {
    this.#left = 0
    const [method] = this.#request.split(' ', 1)
    if (method === 'GET') this.#sendObject()
    else if (method === 'POST') this.#sendDocument()
    else this.#socket.write(`HTTP/1.1 200 OK\r\netag: ${etag}\r\ncontent-length: 0\r\n\r\n`)
  }

  #sendObject() {
    const [, from = 0, to] = /^range: bytes=(\d+)-(\d*)$/im.exec(this.#request) ?? []
    const start = Number(from)
    const end = Math.min(objectBytes, to ? Number(to) + 1 : objectBytes)
    this.#socket.write(
      `HTTP/1.1 206 Partial Content\r\netag: ${etag}\r\nlast-modified: Tue, 24 Nov 2026 12:00:00 GMT\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes ${start}-${end - 1}/${objectBytes}\r\ncontent-length: ${end - start}\r\n\r\n`,
    )
    this.#send(end - start)
  }

  #send(length) {
    for (let left = length; left > 0; ) {
      const part = left < piece.byteLength ? piece.subarray(0, left) : piece
      left -= part.byteLength
      counters.sent += part.byteLength
      if (!this.#socket.write(part) && left > 0)
        return void this.#socket.once('drain', () => this.#send(left))
      if (this.#socket.destroyed) return
    }
  }

  #sendDocument() {
    const created = this.#request.includes('?uploads')
    const text = created
      ? '<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>key</Key><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>'
      : `<CompleteMultipartUploadResult><Bucket>bench</Bucket><Key>key</Key><ETag>${etag}</ETag></CompleteMultipartUploadResult>`
    this.#socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
  }
}
