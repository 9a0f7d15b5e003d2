import { S3Storage } from 'stowage/s3'
import { S3Server } from 'stowage/testing'
import { expect, it } from 'vitest'
import { mebi } from './contents.ts'

it('a part that cannot be sent ends a save whose source keeps it waiting', async () => {
  const server = await S3Server.start({ buckets: ['media'] })
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const storage = new S3Storage({
    bucketName: 'media',
    endpointUrl,
    accessKey,
    secretKey,
    retries: { maxAttempts: 1 },
  })
  async function* source(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(9 * mebi)
    await server.close()
    // The second part is whole, and refused; what follows never comes.
    yield new Uint8Array(9 * mebi)
    await new Promise(() => {})
  }
  await expect(storage.save('endless.bin', source())).rejects.toMatchObject({
    name: 'UnavailableError',
  })
})
