/** Milliseconds between two drawings. */
const interval = 100
const width = 30

/** A bar on standard error, on one line that is drawn again and again. */
export class ProgressBar {
  #drawn = Number.NEGATIVE_INFINITY

  show({ done, total }: { readonly done: number; readonly total: number }): void {
    const now = performance.now()
    if (now - this.#drawn < interval && done < total) return
    this.#drawn = now
    const full = total === 0 ? width : Math.floor((done / total) * width)
    const bar = '#'.repeat(full).padEnd(width, '-')
    process.stderr.write(`\r[${bar}] ${done}/${total}`)
  }

  clear(): void {
    if (this.#drawn !== Number.NEGATIVE_INFINITY) process.stderr.write('\r\u001b[K')
  }
}
