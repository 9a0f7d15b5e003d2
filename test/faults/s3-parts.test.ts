import { afterAll, beforeAll, expect, it as test } from 'vitest'
import type { Storage } from '../../src/core/storage.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { large, mebi, old, saves } from './contents.ts'
import { playSchedules } from './stage.ts'

const buckets = ['lane-1', 'lane-2', 'lane-3', 'lane-4']

let server: S3Server

beforeAll(async () => {
  server = await S3Server.start({ buckets })
})

afterAll(() => server.close())

test('under 200 schedules of faults, save stores a file in parts or leaves the old one', async () => {
  await playSchedules(server, buckets, 'parts', stage => saves(stage, large))
}, 240_000)

test('under 200 schedules of faults, copy in parts leaves the source, and the whole copy or none', async () => {
  const options = { fileOverwrite: true, transferConfig: { copyThreshold: 5 * mebi } }
  /** Entity tags, which hold the MD5 of all bytes: of the source, and of a whole copy. */
  const tags = new Map<string, readonly (string | undefined)[]>()
  const tagOf = async (storage: Storage, name: string): Promise<string | undefined> =>
    (await storage.stat(name)).etag
  await playSchedules(server, buckets, 'copy-parts', async stage => {
    const bucket = stage.direct({ ...options, location: '' })
    if (!tags.has(stage.bucket)) {
      await bucket.save('source', large)
      await bucket.copy('source', 'copy')
      tags.set(stage.bucket, [await tagOf(bucket, 'source'), await tagOf(bucket, 'copy')])
    }
    const [source, copy] = tags.get(stage.bucket) ?? []
    const direct = stage.direct({ fileOverwrite: true })
    await stage.direct({ location: '', fileOverwrite: true }).copy('source', stage.locate('a'))
    await direct.save('b', old)
    const before = await tagOf(direct, 'b')
    const outcome = await stage.meet((storage, signal) => storage.copy('a', 'b', { signal }), {
      ...options,
      profile: stage.pick(2, 2) === 0 ? 'aws' : 'generic',
    })
    expect(await tagOf(direct, 'a'), 'the source').toBe(source)
    expect(outcome.ok ? [copy] : [copy, before], 'the copy').toContain(await tagOf(direct, 'b'))
    await direct.deleteMany(['a', 'b'])
  })
}, 240_000)
