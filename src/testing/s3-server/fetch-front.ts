import { closeBody, cutBody, type HeaderMap, type S3Request, type S3Response } from './message.ts'

/** A Request's body does not tell its length; up to here it is read to find out. */
const MAX_UNSIZED = 64 * 1024 ** 2

/**
 * A Fetch request as the core takes it. A body without `Content-Length` is read whole first, as a
 * client does before it sends one; above 64 MiB its length stays unknown, which S3 refuses.
 */
export async function fromFetch(request: Request): Promise<S3Request> {
  const url = new URL(request.url)
  const headers: HeaderMap = new Map(request.headers)
  if (!headers.has('host')) headers.set('host', url.host)
  const body = await sizedBody(request, headers)
  return { method: request.method, path: url.pathname, search: url.search.slice(1), headers, body }
}

/** The core's answer as a Fetch response; accidents are what `fetch` makes of them. */
export async function toFetch(request: Request, response: S3Response): Promise<Response> {
  const { status, headers, body, accident } = response
  if (accident === 'reset') throw new TypeError('fetch failed')
  if (accident === 'stall') throw await aborted(request.signal)
  if (accident !== undefined) {
    return new Response(torn(response, accident.truncate), { status, headers })
  }
  const empty = body === undefined || status === 304 || status === 204
  if (empty) closeBody(body)
  return new Response(
    empty ? null : body instanceof Uint8Array ? new Uint8Array(body) : readable(body),
    {
      status,
      headers,
    },
  )
}

function aborted(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve(signal.reason)
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  })
}

function torn(response: S3Response, count: number): ReadableStream<Uint8Array> {
  const chunks = cutBody(response.body, count)
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const next = await chunks.next()
      if (!next.done) {
        controller.enqueue(new Uint8Array(next.value))
        return
      }
      closeBody(response.body)
      controller.error(new TypeError('terminated'))
    },
    cancel(): void {
      closeBody(response.body)
    },
  })
}

function readable(
  body: Exclude<S3Response['body'], Uint8Array | undefined>,
): ReadableStream<Uint8Array> {
  const chunks = body.stream()[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const next = await chunks.next()
      if (!next.done) {
        controller.enqueue(new Uint8Array(next.value))
        return
      }
      body.close()
      controller.close()
    },
    async cancel(): Promise<void> {
      await chunks.return?.()
      body.close()
    },
  })
}

async function sizedBody(request: Request, headers: HeaderMap): Promise<AsyncIterable<Uint8Array>> {
  const { body } = request
  if (body === null) {
    if (request.method === 'PUT' || request.method === 'POST') headers.set('content-length', '0')
    return chunksOf([])
  }
  if (headers.has('content-length') || headers.has('x-amz-decoded-content-length'))
    return read(body)
  const reader = read(body)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of reader) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size > MAX_UNSIZED) return chunksOf([])
  }
  headers.set('content-length', String(size))
  return chunksOf(chunks)
}

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

/** Copies, since a stream's source may use its buffers again. */
async function* read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield new Uint8Array(next.value)
    }
  } finally {
    await reader.cancel()
  }
}
