import { expect, it } from 'vitest'
import { S3Server } from '../../../testing/s3-server/s3-server.ts'
import { S3Storage } from '../s3-storage.ts'

it('500 requests open no more connections than are in flight at a time', async () => {
  await using server = await S3Server.start({ buckets: ['media'] })
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const storage = new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media' })
  await storage.save('a.txt', 'content')
  let left = 500
  const line = async (): Promise<void> => {
    while (left-- > 0) await storage.stat('a.txt')
  }
  await Promise.all(Array.from({ length: 16 }, line))
  expect(server.requests.filter(({ method }) => method === 'HEAD')).toHaveLength(500)
  expect(server.connections).toBeLessThanOrEqual(16)
})
