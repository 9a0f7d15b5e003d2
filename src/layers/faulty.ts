import { untilAborted } from '../core/abort.ts'
import type {
  Backend,
  OperationOptions,
  ReadBody,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from '../core/backend.ts'
import { type Bytes, concatBytes } from '../core/bytes.ts'
import type { ContentSource } from '../core/content.ts'
import { UnavailableError } from '../core/errors.ts'
import type { Name } from '../core/names.ts'
import { type BackendCall, type BackendOperation, Layer } from './layer.ts'

/** A call that a schedule decides about. */
export interface FaultyCall {
  readonly operation: BackendOperation
  /** The file or folder; the source of a copy; `''` where there is no single one. */
  readonly name: string
  /** Calls of this layer before this one. */
  readonly index: number
}

/** What goes wrong with a call. With nothing but `delay`, the call is only late. */
export interface Fault {
  /** What the call rejects with. Default an `UnavailableError`. */
  readonly error?: Error | undefined
  /**
   * `before` (default): nothing was done. `after`: it was carried out and the answer got lost,
   * which is what makes a repetition dangerous.
   */
  readonly when?: 'before' | 'after' | undefined
  /**
   * Breaks the body of a `read` or the content of a `write` off after so many bytes. A body that
   * is shorter arrives whole; other calls fail before.
   */
  readonly cut?: number | undefined
  /** Milliseconds that the call waits first; an abort ends the wait. */
  readonly delay?: number | undefined
}

/** Which calls fail. The same schedule gives the same failures for the same calls. */
export interface FaultySchedule {
  /** Of the random numbers behind `rate`. Default 1. */
  readonly seed?: number | undefined
  /** Decides about a call; `undefined` leaves it to `rate`. An error fails the call before. */
  readonly fail?: ((call: FaultyCall) => Error | Fault | undefined) | undefined
  /** Share of the calls that fail at random, half of them after they were done. Default 0. */
  readonly rate?: number | undefined
}

/**
 * A layer that fails as told, to test what a program does when its storage does. Faults are what a
 * service does to its callers: a refused call, a lost answer, a broken body, a late answer.
 * Without faults it changes nothing.
 */
export function faulty(backend: Backend, schedule: FaultySchedule): Backend {
  return new FaultyBackend(backend, schedule)
}

class FaultyBackend extends Layer {
  readonly #schedule: FaultySchedule
  readonly #random: () => number
  #calls = 0

  constructor(inner: Backend, schedule: FaultySchedule) {
    super(inner)
    this.#schedule = schedule
    this.#random = randomNumbers(schedule.seed ?? 1)
  }

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const call: BackendCall = { operation: 'read', name }
    const fault = this.#next(call)
    const { cut } = fault
    if (cut === undefined) return await inject(fault, options, () => this.inner.read(name, options))
    await wait(fault, options)
    const result = await this.inner.read(name, options)
    return { ...result, body: new CutBody(result.body, cut, errorOf(fault)) }
  }

  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const call: BackendCall = { operation: 'write', name }
    const fault = this.#next(call)
    const { cut } = fault
    const source = cut === undefined ? content : new CutContent(content, cut, errorOf(fault))
    const rest: Fault = cut === undefined ? fault : { delay: fault.delay }
    return await inject(rest, options, () => this.inner.write(name, source, options))
  }

  protected override around<T>(
    call: BackendCall,
    options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    const { cut, ...fault } = this.#next(call)
    return inject(cut === undefined ? fault : { ...fault, when: 'before' }, options, work)
  }

  #next(call: BackendCall): Fault {
    const told = this.#schedule.fail?.({ ...call, index: this.#calls++ })
    if (told instanceof Error) return { error: told }
    if (told !== undefined) return told
    if (this.#random() >= (this.#schedule.rate ?? 0)) return {}
    return { when: this.#random() < 0.5 ? 'before' : 'after' }
  }
}

async function inject<T>(
  fault: Fault,
  options: OperationOptions,
  work: () => Promise<T>,
): Promise<T> {
  await wait(fault, options)
  const { error, when } = fault
  if (error === undefined && when === undefined) return await work()
  // Whatever the answer was, also an error: it got lost.
  if (when === 'after') await work().catch(() => undefined)
  throw errorOf(fault)
}

async function wait({ delay }: Fault, { signal }: OperationOptions): Promise<void> {
  if (delay === undefined) return
  await untilAborted(new Promise<void>(resolve => setTimeout(resolve, delay)), signal)
}

function errorOf({ error }: Fault): Error {
  return error ?? new UnavailableError('The service failed, as the schedule of faulty() told it.')
}

/** A body that breaks off. */
class CutBody implements ReadBody {
  readonly #body: ReadBody
  readonly #cut: number
  readonly #error: Error

  constructor(body: ReadBody, cut: number, error: Error) {
    this.#body = body
    this.#cut = cut
    this.#error = error
  }

  async bytes(): Promise<Bytes> {
    const pieces: Bytes[] = []
    let length = 0
    for await (const piece of this.chunks()) {
      pieces.push(piece)
      length += piece.byteLength
    }
    return concatBytes(pieces, length)
  }

  chunks(): AsyncGenerator<Bytes> {
    return cutChunks(this.#body.chunks(), this.#cut, this.#error)
  }

  cancel(): void {
    this.#body.cancel()
  }
}

/** A content that breaks off: the connection is lost while it is sent. */
class CutContent implements ContentSource {
  readonly size: number | undefined
  readonly replayable = false
  readonly type: string | undefined
  readonly name: string | undefined
  readonly bytes = undefined
  readonly failure = undefined
  readonly #content: ContentSource
  readonly #cut: number
  readonly #error: Error

  constructor(content: ContentSource, cut: number, error: Error) {
    this.size = content.size
    this.type = content.type
    this.name = content.name
    this.#content = content
    this.#cut = cut
    this.#error = error
  }

  chunks(): AsyncGenerator<Uint8Array> {
    return cutChunks(this.#content.chunks(), this.#cut, this.#error)
  }

  destroy(reason: unknown): void {
    this.#content.destroy(reason)
  }
}

async function* cutChunks<T extends Uint8Array>(
  chunks: AsyncIterable<T>,
  cut: number,
  error: Error,
): AsyncGenerator<T> {
  let left = cut
  for await (const chunk of chunks) {
    if (chunk.byteLength > left) {
      if (left > 0) yield chunk.subarray(0, left) as T
      throw error
    }
    left -= chunk.byteLength
    yield chunk
  }
}

/** Numbers from 0 to below 1: a counter, mixed as SplitMix does it (Steele et al., 2014). */
function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    const once = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    const twice = Math.imul(once ^ (once >>> 15), 0x735a2d97)
    return ((twice ^ (twice >>> 15)) >>> 0) / 2 ** 32
  }
}
