import { MemoryStorage } from 'stowage'
import { faulty, S3Server, testStorageBackend } from 'stowage/testing'

testStorageBackend('memory', { create: async () => new MemoryStorage({}) })
export async function serve(): Promise<void> {
  const server = await S3Server.start({
    port: 0,
    buckets: ['media'],
    accessKey: 'a',
    secretKey: 's',
    id: 'main',
    email: 'main@example.com',
    region: 'us-east-1',
    profile: 'r2',
    accounts: [{ accessKey: 'b', secretKey: 't', id: 'other' }],
    dataDir: 'data',
    now: () => new Date(0),
  })
  const response: Response = await server.fetch(new Request(server.endpoint))
  console.log(
    server.accessKey,
    server.secretKey,
    response.status,
    server.requests.map(r => `${r.method} ${r.path} ${r.status}`),
    faulty,
  )
  await server.close()
}
