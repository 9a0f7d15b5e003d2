import { lstatSync, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { toContent } from '../../core/content.ts'
import { PreconditionFailedError, UnavailableError } from '../../core/errors.ts'
import { type Committed, commit } from './commit.ts'
import { errnoOf, explainWriteError } from './fs-errors.ts'
import { type HeldPath, Root } from './root.ts'
import { TemporaryFile } from './temporary-file.ts'
import { etagOf, versionTime } from './version.ts'

let location = ''
let folder: HeldPath

beforeEach(async () => {
  location = await mkdtemp(join(tmpdir(), 'stowage-commit-'))
  folder = new Root(location).hold('', 'folder')
})

afterEach(async () => {
  folder.close()
  await rm(location, { recursive: true, force: true })
})

async function temporary(text: string): Promise<TemporaryFile> {
  const file = TemporaryFile.create(folder, 0o644)
  await file.fill(toContent(text), {})
  await file.finish(0o644, false)
  return file
}

/** A file on a file system that has no hard links, as FAT answers. */
function withoutLinks(file: TemporaryFile): Committed {
  return {
    link: path => {
      const error = new Error(`EPERM: operation not permitted, link '${path}'`)
      throw Object.assign(error, { code: 'EPERM', syscall: 'link' })
    },
    rename: path => file.rename(path),
  }
}

describe('where there are no hard links', () => {
  it('a free name is taken, and one of many gets it', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
    const files = await Promise.all(texts.map(temporary))

    const results = await Promise.allSettled(
      files.map(file => commit(withoutLinks(file), { folder, last: 'name' }, 'absent')),
    )

    const winners = results.flatMap((result, index) =>
      result.status === 'fulfilled' ? [index] : [],
    )
    expect(winners.length).toBe(1)
    expect(await readFile(join(location, 'name'), 'utf8')).toBe(texts[winners[0] ?? -1])
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toBeInstanceOf(PreconditionFailedError)
    for (const file of files) file.discard()
    expect(await readdir(location)).toEqual(['name'])
  })

  it('a dead link counts as taken', async () => {
    await symlink('nowhere', join(location, 'name'))
    const file = await temporary('text')
    await expect(commit(withoutLinks(file), { folder, last: 'name' }, 'absent')).rejects.toThrow(
      PreconditionFailedError,
    )
    file.discard()
  })
})

describe('a temporary file', () => {
  it('gathers chunks of any size in their order', async () => {
    const sizes = [1, 70_000, 0, 1_048_576, 3, 1_048_575, 2, 2_500_000, 900_000, 200_000]
    const pieces = sizes.map((size, index) => new Uint8Array(size).fill(index + 1))
    async function* source(): AsyncGenerator<Uint8Array> {
      const shared = new Uint8Array(2_500_000)
      for (const piece of pieces) {
        // A chunk is the reader's only until the next is asked for.
        shared.set(piece)
        yield shared.subarray(0, piece.byteLength)
      }
    }
    const loaded: number[] = []
    const file = TemporaryFile.create(folder, null)
    await file.fill(toContent(source()), { onProgress: count => loaded.push(count) })
    await file.finish(null, true)

    const bytes = await readFile(file.path)
    expect(Buffer.compare(bytes, Buffer.concat(pieces))).toBe(0)
    expect(loaded.at(-1)).toBe(bytes.byteLength)
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b))
    file.discard()
    expect(await readdir(location)).toEqual([])
  })

  it.each([10, 3_000_000])('says that the disk is full (%i bytes)', async size => {
    const path = join(location, 'stand-in')
    await writeFile(path, '')
    // A device that is full for every writer (man 4 full).
    const file = new TemporaryFile(path, openSync('/dev/full', 'w'))
    for (const content of [new Uint8Array(size), new Blob([new Uint8Array(size)])]) {
      const error = await file.fill(toContent(content), {}).catch((reason: unknown) => reason)
      expect(errnoOf(error)).toBe('ENOSPC')
      expect(explainWriteError(error, 'x')).toBeInstanceOf(UnavailableError)
    }
    file.discard()
    expect(await readdir(location)).toEqual([])
  })

  it('stops between two pieces when it is aborted', async () => {
    const controller = new AbortController()
    const file = TemporaryFile.create(folder, 0o644)
    const loaded: number[] = []
    const filling = file.fill(toContent(new Uint8Array(20_000_000)), {
      signal: controller.signal,
      onProgress: count => {
        loaded.push(count)
        controller.abort(new Error('enough'))
      },
    })
    await expect(filling).rejects.toThrow('enough')
    expect(loaded).toEqual([1024 * 1024])
    file.discard()
  })
})

it('gives versions that follow each other within one tick of the clock different etags', async () => {
  const path = join(location, 'name')
  const etags = new Set<string>()
  for (let turn = 0; turn < 1000; turn++) {
    const file = TemporaryFile.create(folder, 0o644)
    await file.finish(0o644, false)
    file.rename(path)
    etags.add(etagOf(lstatSync(path, { bigint: true })))
  }
  expect(etags.size).toBe(1000)
})

it('gives each moment of a millisecond a stamp of its own', () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_800_000_000_123)
  const clock = vi.spyOn(process.hrtime, 'bigint')
  try {
    const stamps = new Set<number>()
    // As fast as anybody can save, for one millisecond.
    for (let time = 7_000_400_000n; time < 7_001_400_000n; time += 500n) {
      clock.mockReturnValue(time)
      stamps.add(versionTime())
    }
    expect(stamps.size).toBe(2000)
  } finally {
    vi.restoreAllMocks()
  }
})

it('stamps versions with the present millisecond', () => {
  const before = Date.now()
  const time = Math.floor(versionTime() * 1000)
  expect(time).toBeGreaterThanOrEqual(before)
  expect(time).toBeLessThanOrEqual(Date.now())
})
