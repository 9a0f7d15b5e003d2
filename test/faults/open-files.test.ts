import { afterAll, beforeAll, describe, expect, it as test } from 'vitest'
import { FileNotFoundError } from '../../src/core/errors.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { faultsOfSaves, mebi, multipart, old, pattern, read } from './contents.ts'
import { lessHaste, playSchedules, type Stage } from './stage.ts'

const buckets = ['lane-1', 'lane-2', 'lane-3', 'lane-4', 'lane-5', 'lane-6', 'lane-7', 'lane-8']
const ends = ['\n', '\r\n', '\r']

/** Several windows of a reader that reads on. */
const content = pattern(700_000, 4)
const text = Array.from(
  { length: 1_500 },
  (_, n) => `${n} grüße 👪 ${'x'.repeat(n % 300)}${ends[n % 3]}`,
).join('')
const written = pattern(5 * mebi + 100_000, 5)

let server: S3Server

beforeAll(async () => {
  server = await S3Server.start({ buckets })
})

afterAll(() => server.close())

const schedules = (operation: string, play: (stage: Stage) => Promise<void>): Promise<void> =>
  playSchedules(server, buckets, operation, play)

describe('under 200 schedules of faults', { timeout: 240_000 }, () => {
  test('a sequential read gives every byte once and in order', () =>
    schedules('sequential', async stage => {
      await stage.direct().save('a', content)
      const outcome = await stage.meet(async (storage, signal) => {
        await using reader = await storage.open('a', 'rb', { signal })
        const source =
          [reader, reader.chunks(50_000), reader.readable()][stage.pick(3, 2)] ?? reader
        const pieces: Uint8Array[] = []
        for await (const piece of source) pieces.push(piece)
        return Buffer.concat(pieces)
      })
      if (outcome.ok) expect(Buffer.compare(outcome.value, content), 'the bytes').toBe(0)
    }))

  test('a random read gives the bytes of its place', () =>
    schedules('random', async stage => {
      await stage.direct().save('a', content)
      const places = Array.from({ length: 12 }, (_, n) => stage.pick(content.byteLength, n + 10))
      const outcome = await stage.meet(async (storage, signal) => {
        await using reader = await storage.open('a', 'rb', { signal })
        for (const [n, place] of places.entries()) {
          await reader.seek(place)
          const length = [10, 5_000, 100_000][n % 3] ?? 1
          const bytes = await reader.read(length)
          expect(
            Buffer.compare(bytes, content.subarray(place, place + length)),
            `at ${place}`,
          ).toBe(0)
        }
      })
      checkRead(outcome)
    }))

  test('lines are the lines of the text', () =>
    schedules('lines', async stage => {
      await stage.direct().save('a', text)
      const expected = text.split(/\r\n|\r|\n/).slice(0, -1)
      const outcome = await stage.meet(async (storage, signal) => {
        await using reader = await storage.open('a', 'r', { signal })
        const lines: string[] = []
        for await (const line of reader.lines()) lines.push(line)
        return lines
      })
      if (outcome.ok) expect(outcome.value).toEqual(expected)
    }))

  test('a writer leaves the old file or the new one', () =>
    schedules('writer', async stage => {
      const direct = stage.direct()
      const large = stage.pick(3, 3) === 0
      const bytes = large ? written : written.subarray(0, 600_000)
      const replaces = stage.pick(2, 4) === 0
      if (replaces) await direct.save('a', old)
      const outcome = await stage.meet(
        async (storage, signal) => {
          await using writer = await storage.open('a', 'wb', { signal })
          for (let at = 0; at < bytes.byteLength; at += 90_001)
            await writer.write(bytes.subarray(at, at + 90_001))
          await writer.close()
        },
        {
          ...multipart,
          ...(large ? lessHaste : {}),
        },
        faultsOfSaves(stage, bytes.byteLength),
      )
      const found = await read(direct, 'a')
      if (outcome.ok) expect(found !== undefined && Buffer.compare(found, bytes)).toBe(0)
      else {
        const allowed = [bytes, ...(replaces ? [old] : [])]
        const whole =
          found === undefined ? !replaces : allowed.some(each => Buffer.compare(found, each) === 0)
        expect(whole, 'the old file or the new one').toBe(true)
      }
      await direct.delete('a')
    }))

  test('a reader that is left half-way leaves nothing behind', () =>
    schedules('left', async stage => {
      await stage.direct().save('a', content)
      const outcome = await stage.meet(async (storage, signal) => {
        const reader = await storage.open('a', 'rb', { signal })
        let length = 0
        for await (const piece of reader) {
          expect(Buffer.compare(piece, content.subarray(length, length + piece.byteLength))).toBe(0)
          length += piece.byteLength
          if (length >= stage.pick(content.byteLength, 5)) break
        }
        await reader.close()
      })
      checkRead(outcome)
    }))
})

function checkRead(outcome: { readonly ok: boolean; readonly error?: unknown }): void {
  if (!outcome.ok) expect(outcome.error).not.toBeInstanceOf(FileNotFoundError)
}
