// An S3 server that stores in memory, with a delay before each answer. Prints its address; counts.
//   node slow-server.mjs <milliseconds>
import { connect, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'

const dist = process.env.STOWAGE_DIST ?? new URL('../../dist', import.meta.url).pathname
const { S3Server } = await import(pathToFileURL(`${dist}/testing.js`).href)
const delay = Number(process.argv[2] ?? 0)
const server = await S3Server.start({ buckets: ['static'], accessKey: 'bench', secretKey: 'bench' })
const { port } = new URL(server.endpoint)

const proxy = createServer({ noDelay: true }, client => {
  const upstream = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
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
  const address = delay === 0 ? server.endpoint : `http://127.0.0.1:${proxy.address().port}`
  process.send({ endpoint: address })
})
process.on('message', () => {
  const counts = {}
  for (const { method } of server.requests) counts[method] = (counts[method] ?? 0) + 1
  process.send({
    requests: server.requests.length,
    counts,
    failed: server.requests.filter(r => r.status >= 400 && r.status !== 404).length,
  })
})
process.on('disconnect', () => process.exit())
