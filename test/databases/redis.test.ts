import KeyvRedis from '@keyv/redis'
import { Redis } from 'ioredis'
import Keyv from 'keyv'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField, fileCodec, keyvSerialization } from 'stowage/fields'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { required } from './place.ts'

const url = required('REDIS_URL')
const storage = new MemoryStorage({ baseUrl: '/media/' })
const field = new FileField({ storage, uploadTo: 'tests', id: 'Redis.file' })

interface Page {
  readonly title: string
  readonly seen: Date
  readonly files: readonly FieldFile[]
}

async function page(): Promise<Page> {
  const file = field.file(null)
  await file.save('a.txt', 'alpha', { save: false })
  return { title: 'ä', seen: new Date(0), files: [file, field.file(null)] }
}

async function expectPage(value: Page | undefined): Promise<void> {
  expect(value).toMatchObject({ title: 'ä', seen: new Date(0) })
  const [first, second] = value?.files ?? []
  expect(await first?.text()).toBe('alpha')
  expect(await first?.url()).toBe(`/media/${first?.name}`)
  expect(first?.storage).toBe(storage)
  expect(second?.hasFile()).toBe(false)
}

describe('a real Redis', () => {
  const redis = new Redis(url)
  const keyv = new Keyv({ store: new KeyvRedis(url), namespace: 'pages', ...keyvSerialization })

  beforeAll(async () => {
    await redis.flushdb()
  })

  afterAll(async () => {
    await keyv.disconnect()
    redis.disconnect()
  })

  it('keeps files for Keyv, until their time has come', async () => {
    await keyv.set('page', await page(), 60_000)
    await expectPage(await keyv.get<Page>('page'))
    expect(await redis.keys('*page')).toHaveLength(1)
    expect(await redis.pttl((await redis.keys('*page'))[0] ?? '')).toBeGreaterThan(0)
  })

  it('keeps files for a plain client', async () => {
    await redis.set('own', fileCodec.encode(await page()))
    await expectPage(fileCodec.decode((await redis.get('own')) ?? '') as Page)
  })

  it('gets the id of a field and a name, and nothing else of a file', async () => {
    await redis.set('own', fileCodec.encode(field.file('tests/a.txt')))
    expect(await redis.get('own')).toBe('["stowage-1",["file","Redis.file","tests/a.txt"]]')
  })
})
