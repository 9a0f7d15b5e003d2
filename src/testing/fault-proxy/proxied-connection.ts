import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ByteStream } from './byte-stream.ts'
import {
  answerFraming,
  bodyPieces,
  type Framing,
  type MessageHead,
  readHead,
  requestFraming,
} from './http-message.ts'
import { ownAnswer } from './own-answer.ts'
import type { Ending, ProxyFault } from './proxy-fault.ts'

/** What a connection asks its proxy. */
export interface ConnectionOwner {
  readonly target: { readonly host: string; readonly port: number }
  /** Told of each request as it comes; answers what is to happen with it. */
  decide(head: MessageHead, size: number | undefined): ProxyFault | undefined
}

/** Whether the connection takes another request. */
type GoesOn = boolean

/** A client's connection with its own to the endpoint: one request after the other. */
export class ProxiedConnection {
  /** Whether a request was taken whose answer is not complete. */
  busy = false
  readonly #client: Socket
  readonly #requests: ByteStream
  readonly #owner: ConnectionOwner
  #endpoint: { readonly socket: Socket; readonly answers: ByteStream } | undefined

  constructor(client: Socket, owner: ConnectionOwner) {
    this.#client = client
    this.#owner = owner
    this.#requests = new ByteStream(client)
    client.setNoDelay(true)
    client.on('error', ignore)
    // A client that ends its half has gone: none of ours waits for an answer after that.
    client.on('end', () => this.destroy())
    client.on('close', () => this.destroy())
  }

  /** Serves the connection until one side ends it. */
  async serve(): Promise<void> {
    for (;;) {
      const head = await readHead(this.#requests)
      if (head === undefined) break
      this.busy = true
      const framing = requestFraming(head)
      const size = framing.kind === 'length' ? framing.length : undefined
      const goesOn = await this.#exchange(head, framing, this.#owner.decide(head, size))
      this.busy = false
      if (!goesOn) return
    }
    this.destroy()
  }

  destroy(): void {
    this.busy = false
    this.#client.destroy()
    this.#endpoint?.socket.destroy()
  }

  async #exchange(
    head: MessageHead,
    framing: Framing,
    fault: ProxyFault | undefined,
  ): Promise<GoesOn> {
    if (fault?.kind === 'answer' || fault?.kind === 'garbage')
      return await this.#answer(framing, fault)
    if (fault?.kind === 'cut' && fault.at === 'before') return this.#end(fault.how)
    if (fault?.kind === 'stall' && fault.at === 'accept') return await this.#stall()
    if (fault?.kind === 'cut' && fault.at === 'request-body') {
      await this.#forward(half(head, framing), bodyPieces(this.#requests, framing), framing)
      return this.#end(fault.how)
    }
    const flips = fault?.kind === 'corrupt' && fault.at === 'request-body'
    const body = bodyPieces(this.#requests, framing)
    // An endpoint may answer before it has taken the whole request.
    const [goesOn] = await Promise.all([
      this.#relayAnswer(head.start[0], fault),
      this.#forward(head.bytes, flips ? flipped(body, framing) : body),
    ])
    return goesOn && !closes(head)
  }

  async #answer(
    framing: Framing,
    fault: ProxyFault & { kind: 'answer' | 'garbage' },
  ): Promise<GoesOn> {
    const early = fault.kind === 'answer' && fault.early === true
    if (!early) for await (const _ of bodyPieces(this.#requests, framing));
    await write(this.#client, ownAnswer(fault))
    if (!early && fault.kind === 'answer') return true
    return this.#end('half-close')
  }

  /** Sends a request on; with `cut`, its head (or half of that) and half of its body. */
  async #forward(head: Buffer, body: AsyncIterable<Buffer>, cut?: Framing): Promise<void> {
    const { socket } = this.#connected()
    await write(socket, head)
    const pieces = cut === undefined ? body : firstHalf(body, cut)
    for await (const piece of pieces) await write(socket, piece)
  }

  async #relayAnswer(method: string, fault: ProxyFault | undefined): Promise<GoesOn> {
    const { answers } = this.#connected()
    const head = await readHead(answers)
    if (head === undefined) return this.#end('half-close')
    if (Number(head.start[1]) < 200) {
      await write(this.#client, head.bytes)
      return await this.#relayAnswer(method, fault)
    }
    const framing = answerFraming(head, method)
    if (fault?.kind === 'stall') return await this.#stallAnswer(head, framing, fault.at)
    if (fault?.kind === 'cut') return await this.#cutAnswer(head, framing, fault)
    const body = bodyPieces(answers, framing)
    if (fault?.kind === 'slow') await this.#sendSlowly(head, body, fault)
    else {
      const flips = fault?.kind === 'corrupt' && fault.at === 'answer-body'
      await write(this.#client, head.bytes)
      for await (const piece of flips ? flipped(body, framing) : body)
        await write(this.#client, piece)
    }
    if (framing.kind === 'until-close' || closes(head)) return this.#end('half-close')
    return fault?.kind === 'close-idle' ? await this.#closeIdle(fault.how) : true
  }

  async #stallAnswer(head: MessageHead, framing: Framing, at: string): Promise<GoesOn> {
    if (at === 'answer-body') await this.#sendHalf(head, framing)
    return await this.#stall()
  }

  async #cutAnswer(
    head: MessageHead,
    framing: Framing,
    fault: ProxyFault & { kind: 'cut' },
  ): Promise<GoesOn> {
    if (fault.at === 'answer-body') await this.#sendHalf(head, framing)
    return this.#end(fault.how)
  }

  async #sendHalf(head: MessageHead, framing: Framing): Promise<void> {
    await write(this.#client, half(head, framing))
    const body = bodyPieces(this.#connected().answers, framing)
    for await (const piece of firstHalf(body, framing)) await write(this.#client, piece)
  }

  async #sendSlowly(
    head: MessageHead,
    body: AsyncIterable<Buffer>,
    { delay, pieces }: ProxyFault & { kind: 'slow' },
  ): Promise<void> {
    const all = Buffer.concat([head.bytes, ...(await gathered(body))])
    const size = Math.ceil(all.byteLength / pieces)
    for (let at = 0; at < all.byteLength; at += size) {
      await sleep(delay)
      await write(this.#client, all.subarray(at, at + size))
    }
  }

  /** Once the client has had the time to put the connection into its pool. */
  async #closeIdle(how: Ending | undefined): Promise<GoesOn> {
    this.busy = false
    await sleep(1)
    return this.#end(how)
  }

  /** Nothing more happens until the client gives up. */
  async #stall(): Promise<GoesOn> {
    while ((await this.#requests.read()) !== undefined);
    return false
  }

  #end(how: Ending | undefined): GoesOn {
    this.#endpoint?.socket.destroy()
    this.busy = false
    if (how === 'half-close') this.#client.end()
    else this.#client.resetAndDestroy()
    return false
  }

  #connected(): { readonly socket: Socket; readonly answers: ByteStream } {
    if (this.#endpoint !== undefined) return this.#endpoint
    const socket = connect({ ...this.#owner.target, noDelay: true })
    socket.on('error', ignore)
    // An endpoint that closes a connection which nobody uses closes the client's, too.
    socket.on('close', () => {
      if (!this.busy) this.#client.destroySoon()
    })
    this.#endpoint = { socket, answers: new ByteStream(socket) }
    return this.#endpoint
  }
}

function ignore(): void {}

function closes(head: MessageHead): boolean {
  return /\bclose\b/i.test(head.header('connection') ?? '')
}

/** Waits until the bytes are taken, or the socket is closed. */
function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    if (socket.destroyed || socket.writableEnded) return resolve()
    socket.write(bytes, () => resolve())
  })
}

/** The head, or half of it where no body follows that could be halved. */
function half(head: MessageHead, framing: Framing): Buffer {
  const bodiless = framing.kind === 'length' && framing.length === 0
  return bodiless ? head.bytes.subarray(0, head.bytes.byteLength >> 1) : head.bytes
}

async function* firstHalf(body: AsyncIterable<Buffer>, framing: Framing): AsyncGenerator<Buffer> {
  if (framing.kind !== 'length') {
    // Only the end tells how much half of it is. Such bodies are documents.
    const all = Buffer.concat(await gathered(body))
    yield all.subarray(0, all.byteLength >> 1)
    return
  }
  let left = framing.length >> 1
  if (left === 0) return
  for await (const piece of body) {
    yield piece.subarray(0, left)
    left -= piece.byteLength
    if (left <= 0) return
  }
}

/** The body with one bit changed in its middle; one whose length is not declared stays as it is. */
async function* flipped(body: AsyncIterable<Buffer>, framing: Framing): AsyncGenerator<Buffer> {
  const middle = framing.kind === 'length' ? framing.length >> 1 : -1
  let at = 0
  for await (const piece of body) {
    const place = middle - at
    at += piece.byteLength
    if (place >= 0 && place < piece.byteLength) piece[place] = (piece[place] ?? 0) ^ 1
    yield piece
  }
}

async function gathered(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = []
  for await (const piece of body) all.push(piece)
  return all
}
