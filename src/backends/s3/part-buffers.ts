/** Of all parts, so many have the configured size: 50 GiB of 10,000 parts of 8 MiB. */
const evenShare = 0.64
/** From there the size doubles with every so many of them, so that 10,000 reach S3's largest object. */
const doublingShare = 0.04
/** S3's limit, in bytes. */
const maxPartSize = 5 * 1024 ** 3

/** Bytes of buffers that the parts in flight and the one being filled may take together. */
const memoryLimit = 48 * 1024 * 1024

/**
 * Size of part `number` (from 1) of a content whose length nobody knows.
 *
 * @param maxParts that the service takes in an upload
 */
export function openPartSize(number: number, partSize: number, maxParts: number): number {
  const behind = number - evenShare * maxParts
  const doublings = Math.max(0, Math.ceil(behind / (doublingShare * maxParts)))
  return Math.min(maxPartSize, partSize * 2 ** doublings)
}

/** Size of the parts of a content of `size` bytes: as configured, or more so that `maxParts` suffice. */
export function knownPartSize(size: number, partSize: number, maxParts: number): number {
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
