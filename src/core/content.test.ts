import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type Content, toContent } from './content.ts'
import { ContentFile } from './content-file.ts'
import { ValidationError } from './errors.ts'

async function bytesOf(content: Content, signal?: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of toContent(content, signal).chunks()) pieces.push(piece.slice())
  return Buffer.concat(pieces)
}

describe('toContent', () => {
  it('knows size, name and type where the content tells', () => {
    const file = toContent(new File(['é'], 'a.png', { type: 'image/png' }))
    expect([file.size, file.name, file.type, file.replayable]).toEqual([
      2,
      'a.png',
      'image/png',
      true,
    ])
    const text = toContent('é日')
    expect([text.size, text.name, text.type, text.replayable]).toEqual([
      5,
      undefined,
      undefined,
      true,
    ])
    const named = toContent(new ContentFile('é', 'b.txt'))
    expect([named.size, named.name]).toEqual([2, 'b.txt'])
    const stream = toContent(new Blob(['x']).stream())
    expect([stream.size, stream.replayable, stream.bytes]).toEqual([undefined, false, undefined])
    expect(toContent(new Blob(['x'])).type).toBeUndefined()
  })

  it('takes Node streams, of bytes and of text', async () => {
    expect(String(await bytesOf(Readable.from([Buffer.from('a'), Buffer.from('b')])))).toBe('ab')
    expect(String(await bytesOf(Readable.from(['grü', 'ße'])))).toBe('grüße')
  })

  it('destroys a Node stream that is not read to its end', async () => {
    const stream = Readable.from(['a', 'b', 'c'])
    for await (const chunk of toContent(stream).chunks()) {
      expect(String(Buffer.from(chunk))).toBe('a')
      break
    }
    expect(stream.destroyed).toBe(true)
    const unread = Readable.from(['a'])
    toContent(unread).destroy(new Error('refused'))
    expect(unread.destroyed).toBe(true)
  })

  it('reads a Blob again, a stream once', async () => {
    const blob = toContent(new Blob(['x']))
    for (const round of [1, 2]) {
      let length = 0
      for await (const chunk of blob.chunks()) length += chunk.byteLength
      expect(length, `round ${round}`).toBe(1)
    }
  })

  it('puts split surrogates together and refuses lone ones', async () => {
    const pieces = async function* (...all: string[]): AsyncGenerator<string> {
      yield* all
    }
    expect(String(await bytesOf(pieces('\ud83d', '', '\udc6a')))).toBe('👪')
    await expect(bytesOf(pieces('a\ud83d'))).rejects.toThrow(ValidationError)
    await expect(bytesOf(pieces('\udc6a'))).rejects.toThrow(ValidationError)
    expect(() => toContent('\ud83d')).toThrow(ValidationError)
    expect(() => new ContentFile('\ud83d')).toThrow(ValidationError)
  })

  it('refuses bytes whose memory was given away, before and while they are stored', async () => {
    const bytes = new Uint8Array([1, 2, 3])
    const content = toContent(bytes)
    const { buffer } = bytes
    structuredClone(buffer, { transfer: [buffer] })
    expect(() => content.bytes).toThrow(ValidationError)
    await expect(bytesOf(bytes)).rejects.toThrow(ValidationError)
    await expect(bytesOf(buffer)).rejects.toThrow('transferred')
    await expect(bytesOf(new ContentFile(bytes))).rejects.toThrow(ValidationError)
    const stream = new Blob(['x']).stream().pipeThrough(
      new TransformStream({
        transform: (_, controller) => controller.enqueue(bytes),
      }),
    )
    await expect(bytesOf(stream)).rejects.toThrow(ValidationError)
    expect(toContent(new Uint8Array()).bytes?.byteLength).toBe(0)
    expect(toContent(new ArrayBuffer(0)).size).toBe(0)
  })

  it('ends where a hand-written iterator says so, with any value that is true', async () => {
    let calls = 0
    const next = async () => {
      if (++calls > 3) throw new Error('asked again behind the end')
      return Object({ done: calls === 3 ? 1 : 0, value: 'x' })
    }
    expect(String(await bytesOf({ [Symbol.asyncIterator]: () => ({ next }) }))).toBe('xx')
  })

  it('is not stopped by a stream that cannot be destroyed', () => {
    const stream = Readable.from(['a'])
    stream.destroy = () => {
      throw new RangeError('no')
    }
    expect(() => toContent(stream).destroy(new Error('refused'))).not.toThrow()
  })

  it('notes a failure of the source, and no failure of the reader', async () => {
    const failure = new RangeError('broken')
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1)
      throw failure
    }
    const source = toContent(failing())
    const reading = (async () => {
      for await (const chunk of source.chunks()) expect(chunk.byteLength).toBe(1)
    })()
    await expect(reading).rejects.toBe(failure)
    expect(source.failure).toEqual({ error: failure })
    const good = toContent(new Blob(['abc']).stream())
    const leaving = (async () => {
      for await (const chunk of good.chunks()) throw new Error(`disk full at ${chunk.byteLength}`)
    })()
    await expect(leaving).rejects.toThrow('disk full')
    expect(good.failure).toBeUndefined()
  })

  it('ends the source when the signal aborts, also while nothing comes', async () => {
    const controller = new AbortController()
    const cancelled: unknown[] = []
    const silent = new ReadableStream<Uint8Array>({
      cancel: reason => {
        cancelled.push(reason)
      },
    })
    const reading = bytesOf(silent, controller.signal)
    controller.abort('enough')
    await expect(reading).rejects.toBe('enough')
    expect(cancelled).toEqual(['enough'])
  })

  it('refuses a stream that was cut off at a limit, as busboy does', async () => {
    const stream = Readable.from([Buffer.from('half')])
    stream.once('end', () => Object.assign(stream, { truncated: true }))
    await expect(bytesOf(stream)).rejects.toMatchObject({ name: 'FileTooLargeError' })
    const whole = Object.assign(Readable.from([Buffer.from('all')]), { truncated: false })
    await expect(bytesOf(whole)).resolves.toHaveLength(3)
  })

  it('takes the error of a Node stream that fails before it is read', async () => {
    const stream = new Readable({ read() {} })
    const content = toContent(stream)
    stream.destroy(new Error('early'))
    await new Promise(resolve => setImmediate(resolve))
    await expect(content.chunks()[Symbol.asyncIterator]().next()).rejects.toThrow('early')
    expect(content.failure).toEqual({ error: new Error('early') })
  })

  describe('of a stream that was read before', () => {
    const read = async <T extends AsyncIterable<unknown>>(stream: T): Promise<T> => {
      for await (const chunk of stream) void chunk
      return stream
    }
    const used: Readonly<Record<string, () => Promise<unknown>>> = {
      'a Node stream at its end': () => read(Readable.from(['text'])),
      'a web stream at its end': () => read(new Blob(['text']).stream()),
      'a web stream that was cancelled': async () => {
        const stream = new Blob(['text']).stream()
        await stream.cancel()
        return stream
      },
      'a web stream that somebody reads': async () => {
        const stream = new Blob(['text']).stream()
        stream.getReader()
        return stream
      },
      'the body of a response that was used': async () => {
        const response = new Response('text')
        await response.text()
        return response.body
      },
    }

    it.each(Object.entries(used))('refuses %s, instead of an empty file', async (_, make) => {
      const content = await make()
      expect(() => toContent(content as never)).toThrow(ValidationError)
    })

    it('takes what is left, and what is empty by itself', async () => {
      const half = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new Uint8Array([1]))
          controller.enqueue(new Uint8Array([2]))
          controller.close()
        },
      })
      const reader = half.getReader()
      await reader.read()
      reader.releaseLock()
      expect([...(await bytesOf(half))]).toEqual([2])
      const empty = [new Blob([]).stream(), Readable.from([]), new Response('').body ?? '']
      for (const content of empty) expect(await bytesOf(content)).toHaveLength(0)
    })

    it('throws the error of a web stream that failed', async () => {
      const failed = new ReadableStream({ start: controller => controller.error(new Error('own')) })
      await expect(bytesOf(failed)).rejects.toThrow('own')
    })
  })

  it('says what was forgotten of a promise', () => {
    expect(() => toContent(Promise.resolve('x') as never)).toThrow('is a promise (await it);')
  })

  it.each([[null], [undefined], [42], [{}], [[1, 2]], [new Date(0)]])('refuses %j', content => {
    expect(() => toContent(content as never)).toThrow(ValidationError)
  })

  it('refuses a ContentFile of anything else than text or bytes', () => {
    expect(() => new ContentFile(42 as never)).toThrow(ValidationError)
    expect(() => new ContentFile('x', 42 as never)).toThrow(ValidationError)
  })
})
