import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { contentOf, race } from '../race/contest.ts'
import { connect, createBucket, service } from './bucket.ts'

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
