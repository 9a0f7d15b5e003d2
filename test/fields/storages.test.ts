import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSystemStorage, MemoryStorage, type Storage } from 'stowage'
import { FileField } from 'stowage/fields'
import { S3Storage } from 'stowage/s3'
import { S3Server } from 'stowage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const save = { save: false } as const
let server: S3Server
let folder: string

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  folder = await mkdtemp(join(tmpdir(), 'stowage-fields-'))
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

/** Each with what it does by default, S3 with overwriting. */
const storages: Readonly<Record<string, () => Storage>> = {
  memory: () => new MemoryStorage({}),
  disk: () => new FileSystemStorage({ location: folder }),
  S3: () =>
    new S3Storage({
      bucketName: 'media',
      endpointUrl: server.endpoint,
      accessKey: server.accessKey,
      secretKey: server.secretKey,
      regionName: 'us-east-1',
    }),
}

describe.each(Object.entries(storages))('files of fields on %s', (_name, open) => {
  it('never overwrite each other', async () => {
    const field = new FileField({ storage: open, uploadTo: 'tests' })
    const files = Array.from({ length: 5 }, () => field.file(null))
    await Promise.all(files.map((file, at) => file.save('django_test.txt', String(at), save)))
    expect(await Promise.all(files.map(file => file.text()))).toEqual(['0', '1', '2', '3', '4'])
    const names = files.map(({ name }) => name)
    expect(names).toContain('tests/django_test.txt')
    expect(new Set(names).size).toBe(5)
  })

  it.each([
    ['300 letters', 'x'.repeat(300)],
    ['300 letters of two bytes', 'é'.repeat(300)],
    ['300 letters of three bytes', '日'.repeat(300)],
    ['300 letters of four bytes', '𠮷'.repeat(300)],
    ['90 letters of three bytes', '月'.repeat(90)],
    ['300 folders', 'd/'.repeat(20) + 'x'.repeat(300)],
  ])('have names that were shortened, with all suffixes: %s', async (_what, root) => {
    const file = new FileField({ storage: open, uploadTo: 'tests' }).file(null)
    await file.save(`${root}.tar.gz`, 'content', save)
    expect(file.name).toMatch(/^tests\/.+\.tar\.gz$/)
    expect([...(file.name ?? '')].length).toBeLessThanOrEqual(100)
    expect(await file.text()).toBe('content')
  })

  it('have no name where a suffix alone would be too long', async () => {
    const file = new FileField({ storage: open }).file(null)
    await expect(file.save(`a.${'x'.repeat(300)}`, 'x', save)).rejects.toMatchObject({
      name: 'SuspiciousFileOperation',
    })
  })
})
