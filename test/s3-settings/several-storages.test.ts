import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { configure, defaultStorage, loadConfig, storages } from '../../src/index.ts'
import { S3Storage } from '../../src/s3.ts'
import { accounts } from './effects.ts'
import { Stage } from './stage.ts'

let stage: Stage
let abroad: Stage

beforeAll(async () => {
  stage = await Stage.start({ accounts })
  abroad = await Stage.start({
    buckets: ['archive'],
    region: 'eu-central-1',
    accessKey: 'AKIAABROAD',
  })
})

afterAll(async () => {
  await stage.close()
  await abroad.close()
})

afterEach(() => configure({}))

const documents = fileURLToPath(new URL('documents.ts', import.meta.url))

describe('several storages at once', () => {
  it('have buckets, regions, keys, domains and locations of their own', async () => {
    const home = stage.server
    configure({
      storages: {
        default: {
          backend: 'stowage/s3#S3Storage',
          options: {
            endpointUrl: stage.endpoint,
            accessKey: home.accessKey,
            secretKey: home.secretKey,
            bucketName: 'media',
            customDomain: 'media.example.com',
          },
        },
        archive: {
          backend: 'stowage/s3#S3Boto3Storage',
          options: {
            endpointUrl: abroad.endpoint,
            accessKey: abroad.server.accessKey,
            secretKey: abroad.server.secretKey,
            regionName: 'eu-central-1',
            bucketName: 'archive',
            location: 'old',
          },
        },
      },
    })
    const { archive } = storages
    if (archive === undefined) throw new Error('no archive')
    await Promise.all(
      [1, 2, 3].flatMap(n => [
        defaultStorage.save(`${n}.txt`, 'at home'),
        archive.save(`${n}.txt`, 'abroad'),
      ]),
    )
    expect(await (await defaultStorage.file('1.txt')).text()).toBe('at home')
    expect(await (await archive.file('1.txt')).text()).toBe('abroad')
    const wrote = ({ seen }: Stage) => seen.filter(({ method }) => method === 'PUT')
    for (const { path, headers } of wrote(stage)) {
      expect(path).toMatch(/^\/media\/\d\.txt$/)
      expect(headers['x-amz-acl']).toBeUndefined()
      expect(headers.authorization).toContain(`Credential=${home.accessKey}/`)
    }
    for (const { path, headers } of wrote(abroad)) {
      expect(path).toMatch(/^\/archive\/old\/\d\.txt$/)
      expect(headers['x-amz-acl']).toBe('public-read')
      expect(headers.authorization).toMatch(/Credential=AKIAABROAD\/\d+\/eu-central-1\//)
    }
    expect(await defaultStorage.url('1.txt')).toBe('https://media.example.com/1.txt')
    expect(await archive.url('1.txt')).toContain(`${abroad.endpoint}/archive/old/1.txt?`)
  })

  it('share what is configured under historical names, and nothing else', async () => {
    const { accessKey, secretKey } = stage.server
    configure({
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_S3_ENDPOINT_URL: stage.endpoint,
      AWS_LOCATION: 'shared',
    })
    const one = new S3Storage({ bucketName: 'media' })
    const other = new S3Storage({ bucketName: 'other', location: '' })
    // Read when a storage is made: what is configured later changes nothing.
    configure({})
    await one.save('a.txt', 'one')
    await other.save('a.txt', 'other')
    const paths = stage.seen.filter(({ method }) => method === 'PUT').slice(-2)
    expect(paths.map(({ path }) => path)).toEqual(['/media/shared/a.txt', '/other/a.txt'])
  })
})

describe('a class of the application', () => {
  function settings(): object {
    const { accessKey, secretKey } = stage.server
    return {
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_STORAGE_BUCKET_NAME: 'media',
      AWS_S3_ENDPOINT_URL: stage.endpoint,
    }
  }

  it('fixes options of its own, and takes the others from the configuration', async () => {
    configure(settings())
    const { Documents } = await import('./documents.ts')
    const storage = new Documents()
    await storage.save('a.txt', 'content')
    expect(stage.last('PUT').path).toBe('/media/documents/a.txt')
    expect(await storage.url('a.txt')).toBe('https://docs.example.com/documents/a.txt')
  })

  it('can be named in the configuration, by its module', async () => {
    configure({ ...settings(), storages: { default: { backend: `${documents}#Documents` } } })
    await loadConfig()
    await defaultStorage.save('b.txt', 'content')
    expect(stage.last('PUT').path).toBe('/media/documents/b.txt')
  })

  it('can be named by DEFAULT_FILE_STORAGE', async () => {
    configure({ ...settings(), DEFAULT_FILE_STORAGE: `${documents}#LowerCase` })
    await loadConfig()
    expect(defaultStorage.generateFilename('Folder/A B.TXT')).toBe('folder/a_b.txt')
  })

  it('gets options of its entry, and its name stands in messages', () => {
    class Media extends S3Storage {}
    expect(() => new Media({ location: '/x' })).toThrow(
      'Option "location" of Media cannot begin with a slash; use "x" instead.',
    )
  })
})
