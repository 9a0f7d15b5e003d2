// An S3 server that stores in memory, with a delay before each answer. Counts the requests that pass.
//   node slow-server.mjs <milliseconds>
import { connect, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'

const dist = process.env.STOWAGE_DIST ?? new URL('../../dist', import.meta.url).pathname
const { S3Server } = await import(pathToFileURL(`${dist}/testing.js`).href)
const delay = Number(process.argv[2] ?? 0)
const server = await S3Server.start({ buckets: ['static'], accessKey: 'bench', secretKey: 'bench' })
const { port } = new URL(server.endpoint)

/** The server's own list of requests ends at some length: the start of each is seen here instead. */
let requests = 0

const proxy = createServer({ noDelay: true }, client => {
  const upstream = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
  client.on('data', chunk => {
    if (
      /^(?:GET|HEAD|PUT|POST|DELETE) \/\S* HTTP\/1\.1\r\n/.test(
        chunk.subarray(0, 4096).toString('latin1'),
      )
    )
      requests++
  })
  client.pipe(upstream)
  upstream.on('data', chunk => setTimeout(() => client.destroyed || client.write(chunk), delay))
  upstream.on('close', () => setTimeout(() => client.end(), delay))
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ])
    one.on('error', () => other.destroy())
})
proxy.listen(0, '127.0.0.1', () => {
  process.send({ endpoint: `http://127.0.0.1:${proxy.address().port}` })
})
process.on('message', () => process.send({ requests }))
process.on('disconnect', () => process.exit())
