/** Size of the smallest buffer, as a power of two: 16 KiB. */
const smallest = 14

/**
 * Memory for files on their way, used again for the next file: fresh memory has to be made by the
 * system, page by page, and collected afterwards.
 */
export class ReadBuffers {
  /** By the power of two that is their size. */
  readonly #free: Buffer[][] = []

  /** A buffer of at least that size, with whatever was in it before. */
  take(size: number): Buffer {
    const power = powerFor(size)
    return this.#free[power]?.pop() ?? Buffer.allocUnsafeSlow(2 ** power)
  }

  /** Takes back a buffer that nobody reads any more. */
  give(buffer: Buffer): void {
    const power = powerFor(buffer.byteLength)
    const free = this.#free[power] ?? []
    this.#free[power] = free
    free.push(buffer)
  }
}

function powerFor(size: number): number {
  return Math.max(smallest, 32 - Math.clz32(Math.max(1, size) - 1))
}
