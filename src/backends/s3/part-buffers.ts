/** Parts up to this number have the configured size: 50 GiB with parts of 8 MiB. */
const evenParts = 6400
/** From there the size doubles with every so many parts, so that 10,000 reach S3's largest object. */
const doublingParts = 400
/** S3's limits: parts of an upload, and bytes of a part. */
const maxParts = 10_000
const maxPartSize = 5 * 1024 ** 3

/** Bytes of buffers that the parts in flight and the one being filled may take together. */
const memoryLimit = 48 * 1024 * 1024

/** Size of part `number` (from 1) of a content whose length nobody knows. */
export function openPartSize(number: number, partSize: number): number {
  const doublings = Math.max(0, Math.ceil((number - evenParts) / doublingParts))
  return Math.min(maxPartSize, partSize * 2 ** doublings)
}

/** Size of the parts of a content of `size` bytes: as configured, or more so that 10,000 suffice. */
export function knownPartSize(size: number, partSize: number): number {
  const least = Math.ceil(size / maxParts)
  return least <= partSize ? partSize : Math.ceil(least / 2 ** 20) * 2 ** 20
}

/** How many parts of that size may be in flight: fewer when they are large, one at least. */
export function partsInFlight(
  partSize: number,
  concurrency: number,
  memory: number = memoryLimit,
): number {
  return Math.max(1, Math.min(concurrency, Math.floor(memory / partSize) - 1))
}

/**
 * Buffers for parts, used again and again: what an upload needs is then parts × (in flight + 1),
 * whatever its length.
 */
export class PartBuffers {
  #free: Uint8Array<ArrayBuffer>[] = []

  take(size: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop()
    return buffer?.byteLength === size ? buffer : new Uint8Array(size)
  }

  giveBack(buffer: Uint8Array<ArrayBuffer>): void {
    this.#free.push(buffer)
  }
}
