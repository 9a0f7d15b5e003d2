import { afterAll, beforeAll, describe, expect, it as test } from 'vitest'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import { FileNotFoundError, StorageError } from '../../src/core/errors.ts'
import type { Storage } from '../../src/core/storage.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { checkWhole, old, read, same, saves, small } from './contents.ts'
import { playSchedules, type Stage } from './stage.ts'

const buckets = ['lane-1', 'lane-2', 'lane-3', 'lane-4', 'lane-5', 'lane-6', 'lane-7', 'lane-8']

let server: S3Server
/** Two pages and a part of one. */
const shelves = { long: numbered('long', 1_050), short: numbered('short', 20) }

beforeAll(async () => {
  server = await S3Server.start({ buckets: [...buckets, 'shelf'] })
  await fill(server, 'shelf', Object.values(shelves).flat())
})

afterAll(() => server.close())

const schedules = (operation: string, play: (stage: Stage) => Promise<void>): Promise<void> =>
  playSchedules(server, buckets, operation, play)

describe('under 200 schedules of faults', { timeout: 240_000 }, () => {
  test('save stores a small file or leaves the old one', () =>
    schedules('save', stage => saves(stage, small)))

  test('read gives the right bytes', () =>
    schedules('read', async stage => {
      await stage.direct().save('a', small)
      const outcome = await stage.meet(async (storage, signal) => {
        if (stage.pick(2) === 0) return await (await storage.file('a', { signal })).bytes()
        await using reader = await storage.open('a', 'rb', { signal })
        return await reader.read()
      })
      if (outcome.ok) expect(same(outcome.value, small), 'the bytes that were read').toBe(true)
      else expect(outcome.error).not.toBeInstanceOf(FileNotFoundError)
    }))

  test('stat and exists say what is there', () =>
    schedules('stat', async stage => {
      await stage.direct().save('a', small)
      const outcome = await stage.meet(async (storage, signal) => [
        (await storage.stat('a', { signal })).size,
        await storage.exists('a', { signal }),
        await storage.exists('b', { signal }),
      ])
      if (outcome.ok) expect(outcome.value).toEqual([small.byteLength, true, false])
      else expect(outcome.error).not.toBeInstanceOf(FileNotFoundError)
    }))

  test('list names all files, once and in order', async () => {
    const shelf = { bucketName: 'shelf', location: '' }
    await schedules('list', async stage => {
      const folder = stage.pick(4, 7) === 0 ? 'long' : 'short'
      const outcome = await stage.meet(async (storage, signal) => {
        const found: string[] = []
        for await (const { name } of storage.list(folder, { signal })) found.push(name)
        return found
      }, shelf)
      if (outcome.ok) expect(outcome.value).toEqual(shelves[folder])
    })
  })

  test('delete removes the file and nothing else', () =>
    schedules('delete', async stage => {
      const direct = stage.direct()
      await direct.save('a', old)
      await direct.save('b', old)
      const outcome = await stage.meet((storage, signal) => storage.delete('a', { signal }))
      expect(await direct.exists('b')).toBe(true)
      if (outcome.ok) expect(await direct.exists('a')).toBe(false)
    }))

  test('deleteMany removes what it does not name as failed', () =>
    schedules('delete-many', async stage => {
      const direct = stage.direct()
      const names = Array.from({ length: 8 }, (_, n) => `a${n}`)
      await Promise.all([...names, 'b'].map(name => direct.save(name, 'x')))
      const outcome = await stage.meet((storage, signal) =>
        storage.deleteMany([...names, 'missing'], { signal }),
      )
      const left: string[] = []
      for await (const { name } of direct.list()) left.push(name)
      expect(left).toContain('b')
      if (outcome.ok) expect(left).toEqual(['b'])
      else
        expect(
          left.filter(name => !['b', ...failedNames(outcome.error, names)].includes(name)),
        ).toEqual([])
    }))

  test('copy leaves the source, and the whole copy or none', () =>
    schedules('copy', async stage => {
      const { direct, target, outcome } = await transfer(stage, 'copy')
      expect(same(await read(direct, 'a'), small), 'the source').toBe(true)
      if (outcome.ok) expect(same(await read(direct, outcome.value), small), 'the copy').toBe(true)
      await checkWhole(direct, [small, ...(target ? [old] : [])])
    }))

  test('move never loses the file', () =>
    schedules('move', async stage => {
      const { direct, target, outcome } = await transfer(stage, 'move')
      const source = await read(direct, 'a')
      if (outcome.ok) {
        expect(source, 'the source').toBeUndefined()
        expect(same(await read(direct, outcome.value), small), 'the moved file').toBe(true)
      }
      const whole = await checkWhole(direct, [small, ...(target ? [old] : [])])
      expect(
        whole.some(bytes => same(bytes, small)),
        'the content is somewhere',
      ).toBe(true)
    }))
})

async function transfer(
  stage: Stage,
  how: 'copy' | 'move',
): Promise<{
  direct: Storage
  target: boolean
  outcome: Awaited<ReturnType<typeof stage.meet<string>>>
}> {
  const direct = stage.direct()
  await direct.save('a', small)
  const target = stage.pick(2, 4) === 0
  if (target) await direct.save('b', old)
  const fileOverwrite = stage.pick(2, 5) === 0
  const outcome = await stage.meet((storage, signal) => storage[how]('a', 'b', { signal }), {
    fileOverwrite,
  })
  if (target && !fileOverwrite)
    expect(same(await read(direct, 'b'), old), 'the file that was there').toBe(true)
  return { direct, target, outcome }
}

/** What a failed deleteMany names; one that was cancelled names nothing. */
function failedNames(error: unknown, names: readonly string[]): readonly unknown[] {
  return error instanceof StorageError && error.errors !== undefined
    ? error.errors.map(({ file }) => file)
    : names
}

async function fill(
  { endpoint, accessKey, secretKey }: S3Server,
  bucketName: string,
  names: readonly string[],
): Promise<void> {
  const keys = { accessKey, secretKey, regionName: 'us-east-1' }
  const storage = new S3Storage({ ...keys, bucketName, endpointUrl: endpoint })
  for (let at = 0; at < names.length; at += 16)
    await Promise.all(names.slice(at, at + 16).map(name => storage.save(name, 'x')))
}

function numbered(folder: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${folder}/${String(n).padStart(4, '0')}`)
}
