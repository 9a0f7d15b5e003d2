import { afterEach, describe, expect, it } from 'vitest'
import { S3Boto3Storage, S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import type { S3Server } from '../../src/testing.ts'
import { Stage } from './stage.ts'

let stage: Stage | undefined

afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function start(options: Parameters<typeof S3Server.start>[0] = {}): Promise<Stage> {
  stage = await Stage.start(options)
  return stage
}

function optionsFor({ server, endpoint }: Stage): S3StorageOptions {
  const { accessKey, secretKey } = server
  return {
    endpointUrl: endpoint,
    accessKey,
    secretKey,
    bucketName: 'fresh',
    autoCreateBucket: true,
  }
}

/** Requests that are about the bucket itself. */
function bucketRequests({ seen }: Stage): string[] {
  return seen.filter(({ path }) => path === '/fresh').map(({ method }) => method)
}

describe('autoCreateBucket', () => {
  it('looks for the bucket once, and makes it at the first use', async () => {
    const at = await start()
    const storage = new S3Storage(optionsFor(at))
    expect(at.seen).toEqual([])
    await storage.save('a.txt', 'content')
    await storage.save('b.txt', 'content')
    await storage.exists('c.txt').catch(() => undefined)
    expect(bucketRequests(at).slice(0, 2)).toEqual(['HEAD', 'PUT'])
    expect(bucketRequests(at).filter(method => method === 'PUT')).toHaveLength(1)
  })

  it('says no region in us-east-1, which S3 refuses there', async () => {
    const at = await start({ region: 'us-east-1' })
    await new S3Storage(optionsFor(at)).save('a.txt', 'content')
    expect(
      at.seen.find(({ path, method }) => path === '/fresh' && method === 'PUT')?.body.toString(),
    ).toBe('')
  })

  it('says the region everywhere else', async () => {
    const at = await start({ region: 'eu-central-1' })
    await new S3Storage({ ...optionsFor(at), regionName: 'eu-central-1' }).save('a.txt', 'content')
    const { body } = at.seen.find(({ path, method }) => path === '/fresh' && method === 'PUT') ?? {}
    expect(body?.toString()).toContain('<LocationConstraint>eu-central-1</LocationConstraint>')
  })

  it('leaves the region out where a service with regions of its own does not know it', async () => {
    const at = await start({ profile: 'minimal', region: 'default' })
    at.server.failNext({
      match: { method: 'PUT', path: '/fresh' },
      status: 400,
      code: 'InvalidLocationConstraint',
    })
    const storage = new S3Storage({ ...optionsFor(at), regionName: 'default' })
    expect(await storage.save('a.txt', 'content')).toBe('a.txt')
    expect(bucketRequests(at)).toEqual(['HEAD', 'PUT', 'PUT'])
  })

  it('does nothing for a URL, which asks for nothing', async () => {
    const at = await start()
    await new S3Storage(optionsFor(at)).url('a.txt')
    expect(at.seen).toEqual([])
  })

  it.each(['us-east-1', 'eu-central-1'])(
    'works when several storages do it at once, in %s',
    async region => {
      const at = await start({ region })
      const storages = Array.from(
        { length: 8 },
        () => new S3Storage({ ...optionsFor(at), regionName: region, fileOverwrite: false }),
      )
      const names = await Promise.all(storages.map(storage => storage.save('a.txt', 'content')))
      expect(new Set(names).size).toBe(8)
    },
  )

  it('tries again after a failure', async () => {
    const at = await start()
    const storage = new S3Storage({ ...optionsFor(at), retries: { maxAttempts: 1 } })
    at.server.failNext({ match: { method: 'PUT', path: '/fresh' }, status: 503 })
    await expect(storage.save('a.txt', 'x')).rejects.toMatchObject({ name: 'UnavailableError' })
    expect(await storage.save('a.txt', 'x')).toBe('a.txt')
  })

  it('names the setting when the bucket is somebody else’s', async () => {
    const foreign = { accessKey: 'AKIAFOREIGN', secretKey: 'foreign-secret', id: 'foreign' }
    const at = await start({ accounts: [foreign] })
    await new S3Storage({ ...optionsFor(at), ...foreignKeys(foreign) }).save('a.txt', 'theirs')
    const failure = await new S3Storage(optionsFor(at)).save('a.txt', 'x').catch(error => error)
    expect(failure).toMatchObject({ name: 'PermissionDeniedError', file: 'a.txt' })
    expect(failure.message).toContain('"fresh"')
  })

  it('is off by default: a missing bucket is an error that names the setting', async () => {
    const at = await start()
    const storage = new S3Storage({ ...optionsFor(at), autoCreateBucket: false })
    await expect(storage.save('a.txt', 'x')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'bucketName',
      message: expect.stringContaining('autoCreateBucket'),
    })
  })
})

function foreignKeys({
  accessKey,
  secretKey,
}: {
  accessKey: string
  secretKey: string
}): S3StorageOptions {
  return { accessKey, secretKey }
}

describe('bucketAcl', () => {
  it('works by the rules of AWS today, where buckets are made without ACLs', async () => {
    const at = await start({ objectOwnership: 'BucketOwnerEnforced' })
    const storage = new S3Storage({ ...optionsFor(at), bucketAcl: 'public-read' })
    await storage.save('a.txt', 'content')
    const { headers } =
      at.seen.find(({ path, method }) => path === '/fresh' && method === 'PUT') ?? {}
    expect(headers).toMatchObject({
      'x-amz-acl': 'public-read',
      'x-amz-object-ownership': 'ObjectWriter',
    })
    expect((await fetch(`${at.endpoint}/fresh?list-type=2`)).status).toBe(200)
  })

  it('is private unless told, also where all files are public', async () => {
    const at = await start({ objectOwnership: 'BucketOwnerEnforced' })
    const storage = new S3Boto3Storage(optionsFor(at))
    await storage.save('a.txt', 'content')
    expect((await fetch(`${at.endpoint}/fresh?list-type=2`)).status).toBe(403)
    expect((await fetch(`${at.endpoint}/fresh/a.txt`)).status).toBe(200)
  })
})

describe('a bucket that takes no ACLs', () => {
  it('refuses the historical default, and the error names the setting and what to set', async () => {
    const at = await start({ buckets: ['fresh'], objectOwnership: 'BucketOwnerEnforced' })
    const storage = new S3Boto3Storage({ ...optionsFor(at), autoCreateBucket: false })
    await expect(storage.save('a.txt', 'x')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'defaultAcl',
      message: expect.stringContaining('set "defaultAcl" (AWS_DEFAULT_ACL) to null'),
    })
    const without = new S3Boto3Storage({ ...optionsFor(at), defaultAcl: null })
    expect(await without.save('a.txt', 'x')).toBe('a.txt')
  })

  it('is refused before any request where the service has none, as R2', async () => {
    const at = await start({ buckets: ['fresh'], profile: 'r2', region: 'auto' })
    const options: S3StorageOptions = { ...optionsFor(at), profile: 'r2', autoCreateBucket: false }
    const storage = (): S3Boto3Storage => new S3Boto3Storage(options)
    await expect((async () => await storage().save('a.txt', 'x'))()).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'defaultAcl',
      message: expect.stringContaining('AWS_DEFAULT_ACL'),
    })
    expect(at.seen).toEqual([])
    const without = new S3Boto3Storage({ ...options, defaultAcl: null })
    expect(await without.save('a.txt', 'x')).toBe('a.txt')
  })
})
