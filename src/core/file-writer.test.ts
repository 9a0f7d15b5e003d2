import { describe, expect, it } from 'vitest'
import type { ContentSource } from './content.ts'
import { ClosedFileError, StorageError } from './errors.ts'
import { type Commit, FileWriter } from './file-writer.ts'

const file = { name: 'a', mode: 'wb', backend: 'memory' }
const large = new Uint8Array(1_000_000)

function writer(commit: Commit, signal?: AbortSignal): FileWriter<Uint8Array | string> {
  return new FileWriter(file, commit, signal)
}

/** A commit that takes chunks one by one, when it is told to. */
class SlowCommit {
  readonly taken: number[] = []
  content: ContentSource | undefined
  ended = false
  failed: { readonly error: unknown } | undefined
  #chunks: AsyncIterator<Uint8Array> | undefined
  #done: (() => void) | undefined

  readonly commit: Commit = content => {
    this.content = content
    this.#chunks = content.chunks()[Symbol.asyncIterator]()
    return new Promise<void>(resolve => {
      this.#done = resolve
    })
  }

  async takeAll(): Promise<void> {
    for (let round = 0; round < 100 && !this.ended; round++) await this.take()
  }

  async take(): Promise<void> {
    try {
      const next = await this.#chunks?.next()
      if (next?.done === false) this.taken.push(next.value.byteLength)
      else {
        this.ended = true
        this.#done?.()
      }
    } catch (error) {
      this.failed = { error }
    }
  }
}

async function turns(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 5))
}

describe('an open writer', () => {
  it('hands over a small file in one piece of known size', async () => {
    const contents: ContentSource[] = []
    const open = writer(async content => {
      contents.push(content)
    })
    for (let n = 0; n < 100; n++) await open.write('ten bytes.')
    expect(contents).toEqual([])
    await open.close()
    expect(contents.map(({ size, replayable }) => [size, replayable])).toEqual([[1000, true]])
  })

  it('holds a fast caller back until the backend takes more', async () => {
    const slow = new SlowCommit()
    const open = writer(slow.commit)
    let written = false
    const writing = open.write(large).then(() => {
      written = true
    })
    await turns()
    expect(written).toBe(false)
    const taking = slow.takeAll()
    await writing
    await open.close()
    await taking
    expect(slow.taken.reduce((sum, size) => sum + size, 0)).toBe(large.byteLength)
    expect(Math.max(...slow.taken)).toBeLessThanOrEqual(262_144)
  })

  it('tells the backend of an abort, in the middle of a write, too', async () => {
    const slow = new SlowCommit()
    const open = writer(slow.commit)
    const writing = open.write(large)
    await turns()
    const aborting = open.abort()
    await slow.take()
    expect(slow.failed?.error).toBeInstanceOf(ClosedFileError)
    expect(open.closed).toBe(true)
    void aborting
    void writing.catch(() => {})
  })

  it('ends a write at an abort, also while the backend takes nothing', async () => {
    const open = writer(new SlowCommit().commit)
    let outcome: unknown = 'still waiting'
    const writing = open.write(large).catch((error: unknown) => {
      outcome = error
    })
    await turns()
    void open.abort()
    await Promise.race([writing, turns()])
    expect(outcome).toBeInstanceOf(ClosedFileError)
  })

  it('cancels what is on its way at an abort', async () => {
    let cancelled: AbortSignal | undefined
    const open = writer(async (content, signal) => {
      cancelled = signal
      for await (const _chunk of content.chunks()) await new Promise(() => {})
    })
    void open.write(large).catch(() => {})
    await turns()
    void open.abort()
    expect(cancelled?.reason).toBeInstanceOf(ClosedFileError)
  })

  it('begins nothing after an abort', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      let commits = 0
      let ends = 0
      const open = writer(async content => {
        commits++
        try {
          for await (const chunk of content.chunks()) expect(chunk.byteLength).toBeGreaterThan(0)
        } finally {
          ends++
        }
      })
      const writing = open.write(large).catch((error: unknown) => error)
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
      await open.abort()
      expect(await writing).toBeInstanceOf(ClosedFileError)
      await turns()
      expect(ends, `commits ended after ${ticks} ticks`).toBe(commits)
    }
  })

  it('lets the backend end when the signal aborts between two writes', async () => {
    const controller = new AbortController()
    let ended: unknown
    const open = writer(async content => {
      const reading = (async () => {
        for await (const chunk of content.chunks()) expect(chunk.byteLength).toBeGreaterThan(0)
      })()
      reading.catch((error: unknown) => {
        ended = error
      })
      // As Storage does: the caller hears of the abort at once.
      await new Promise((_resolve, reject) => {
        controller.signal.addEventListener('abort', () => reject(controller.signal.reason))
      })
    }, controller.signal)
    await open.write(large)
    controller.abort('enough')
    await turns()
    expect(ended).toBe('enough')
    await expect(open.close()).rejects.toBe('enough')
  })

  it('begins no commit with a signal that is aborted', async () => {
    let commits = 0
    const controller = new AbortController()
    const open = writer(async () => {
      commits++
    }, controller.signal)
    await open.write('x')
    controller.abort('enough')
    await expect(open.close()).rejects.toBe('enough')
    expect(commits).toBe(0)
  })

  it('wraps what the backend failed with, and says so again at close', async () => {
    const cause = new TypeError('disk full')
    const open = writer(async () => {
      throw cause
    })
    await expect(open.write(large)).rejects.toMatchObject({ cause, operation: 'write', file: 'a' })
    await expect(open.close()).rejects.toMatchObject({ cause })
    await expect(open.close()).rejects.toBeInstanceOf(StorageError)
    await open.abort()
  })

  it('commits what was written before close, although nothing was awaited', async () => {
    let size = 0
    const open = writer(async content => {
      for await (const chunk of content.chunks()) size += chunk.byteLength
    })
    const all = [open.write('abc'), open.write(large), open.close()]
    await Promise.all(all)
    expect(size).toBe(large.byteLength + 3)
  })
})
