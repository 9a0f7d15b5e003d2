import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { contentOf, race } from '../race/contest.ts'
import { connect, createBucket, openUploads, service } from './bucket.ts'

const module = fileURLToPath(new URL('../../src/backends/s3/s3-storage.ts', import.meta.url))

it('gives 1,000 saves of one name by 8 processes 1,000 names and keeps each content', async () => {
  const options = { ...service, bucketName: `race-${Date.now()}`, fileOverwrite: false }
  await createBucket(options.bucketName)
  const ids = [0, 1, 2, 3, 4, 5, 6, 7]
  const work = { task: 'save', name: 'new/report.tar.gz', count: 125 } as const

  const names = await race(
    ids.map(id => ({ id, module, className: 'S3Storage', options, ...work })),
  )

  expect(new Set(names.flat()).size).toBe(1000)
  const storage = connect(options)
  for (const id of ids) {
    for (const [turn, name] of (names[id] ?? []).entries()) {
      expect(await (await storage.file(String(name))).text()).toBe(contentOf(id, turn))
    }
  }
  const [, files] = await storage.listdir('new')
  expect(files.length).toBe(1000)
}, 240_000)

it('gives 16 large saves of one name by 8 processes 16 names and keeps each content', async () => {
  const bucketName = `large-race-${Date.now()}`
  const options = { ...service, bucketName, profile: 'ceph', fileOverwrite: false } as const
  await createBucket(bucketName)
  const ids = [1, 2, 3, 4, 5, 6, 7, 8]
  const work = { task: 'save', name: 'video.mp4', count: 2, size: 20 * 1024 * 1024 } as const

  const names = await race(
    ids.map(id => ({ id, module, className: 'S3Storage', options, ...work })),
  )

  expect(new Set(names.flat()).size).toBe(16)
  const storage = connect(options)
  for (const [index, id] of ids.entries()) {
    for (const name of names[index] ?? []) {
      const bytes = await (await storage.file(String(name))).bytes()
      expect(bytes.byteLength).toBe(work.size)
      expect(bytes.every(byte => byte === id)).toBe(true)
    }
  }
  const [folders, files] = await storage.listdir('')
  expect([folders, files.length]).toEqual([[], 16])
  expect(await openUploads(bucketName, '')).toEqual([])
}, 240_000)
