import { describe, expect, it } from 'vitest'
import { S3BotoStorage, type S3BotoStorageOptions } from '../../src/s3-legacy.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { testSdkEngine } from './engine-suite.ts'

describe.each(['s3', 's3v4'] as const)(
  'the older SDK with signature version %s',
  signatureVersion => {
    testSdkEngine(
      ({ endpoint: endpointUrl, accessKey, secretKey, region: regionName }, options) =>
        new S3BotoStorage({
          endpointUrl,
          regionName,
          accessKey,
          secretKey,
          signatureVersion,
          retries: { maxAttempts: 3, baseDelay: 1 },
          ...options,
        }),
    )

    function connect(server: S3Server, options: S3BotoStorageOptions = {}): S3BotoStorage {
      const { endpoint: endpointUrl, accessKey, secretKey } = server
      const own = { endpointUrl, accessKey, secretKey, bucketName: 'media', signatureVersion }
      return new S3BotoStorage({ ...own, ...options })
    }

    function refused({ requests }: S3Server): number {
      return requests.filter(({ status }) => status >= 400 && status !== 404).length
    }

    it('goes by the clock of the service, also in URLs', async () => {
      const now = (): Date => new Date(Date.now() + 3_600_000)
      await using server = await S3Server.start({ buckets: ['media'], now })
      const storage = connect(server)
      expect(await storage.exists('a.txt')).toBe(false)
      await storage.save('a.txt', 'later')
      expect(await (await fetch(await storage.url('a.txt'))).text()).toBe('later')
      expect(refused(server)).toBe(1)
    })

    it('says that the clock is wrong where it may not ask again', async () => {
      const now = (): Date => new Date(Date.now() + 3_600_000)
      await using server = await S3Server.start({ buckets: ['media'], now })
      const storage = connect(server, { retries: { maxAttempts: 1 } })
      await expect(storage.exists('a.txt')).rejects.toThrow('the clock of this machine')
    })

    it('goes by the region of the bucket, also in URLs', async () => {
      await using server = await S3Server.start({ buckets: ['media'], region: 'eu-central-1' })
      const storage = connect(server, { regionName: 'us-west-2' })
      await storage.save('a.txt', 'there')
      expect(await (await fetch(await storage.url('a.txt'))).text()).toBe('there')
      expect(await storage.exists('a.txt')).toBe(true)
      expect(refused(server)).toBeLessThan(2)
    })

    it('knows nothing of another storage’s bucket of the same name', async () => {
      await using here = await S3Server.start({ buckets: ['media'], region: 'us-east-1' })
      await using there = await S3Server.start({ buckets: ['media'], region: 'eu-central-1' })
      const [one, other] = [
        connect(here, { regionName: 'us-east-1' }),
        connect(there, { regionName: 'eu-central-1' }),
      ]
      for (const name of ['a', 'b', 'c']) {
        await one.save(name, 'here')
        await other.save(name, 'there')
      }
      expect([refused(here), refused(there)]).toEqual([0, 0])
    })
  },
)
