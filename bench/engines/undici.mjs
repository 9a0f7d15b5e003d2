import { Pool } from 'undici'
import { bucket, content, contentType, firstRange, nameOf } from './workload.mjs'

/**
 * The floor: undici's `Pool.dispatch` with a handler that does no more than collect the body. No
 * signature, no names, no errors. The other headers are those that ours sends.
 */
export async function openEngine(origin) {
  const pool = new Pool(origin, { connections: 256 })
  const send = (method, number, headers, body) =>
    new Promise((resolve, reject) => {
      const path = `/${bucket}/${nameOf(number)}`
      pool.dispatch({ method, path, headers, body, reset: false }, new Collector(resolve, reject))
    })
  const range = `bytes=${firstRange.start}-${firstRange.end - 1}`
  return {
    save: async number => void (await send('PUT', number, ['content-type', contentType], content)),
    read: async number => (await send('GET', number, ['range', range], null)).byteLength,
    stat: async number => void (await send('HEAD', number, [], null)),
  }
}

class Collector {
  #resolve
  #reject
  #chunks = []

  constructor(resolve, reject) {
    this.#resolve = resolve
    this.#reject = reject
  }

  onConnect() {}

  onHeaders(status) {
    if (status >= 300) this.#reject(new Error(`HTTP ${status}`))
    return true
  }

  onData(chunk) {
    this.#chunks.push(chunk)
    return true
  }

  onComplete() {
    this.#resolve(this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks))
  }

  onError(error) {
    this.#reject(error)
  }
}
