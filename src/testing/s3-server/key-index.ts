const ABOVE_SURROGATES = /[\ud800-\uffff]/

/**
 * Orders strings by their UTF-8 bytes. UTF-16 order differs only where a surrogate meets a character
 * above them, so both have to hold such characters before anything has to be done.
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0
  if (ABOVE_SURROGATES.test(a) && ABOVE_SURROGATES.test(b)) {
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  }
  return a < b ? -1 : 1
}

/** Up to here a change is put into the sorted array at once; above, the array is merged anew. */
const FEW_CHANGES = 64

/** A map from keys to values that also walks its keys in UTF-8 order, sorting only what is new. */
export class KeyIndex<Value> {
  readonly #values = new Map<string, Value>()
  readonly #changed = new Set<string>()
  #sorted: string[] = []

  get size(): number {
    return this.#values.size
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#note(key)
    this.#values.set(key, value)
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false
    this.#note(key)
    return true
  }

  values(): IterableIterator<Value> {
    return this.#values.values()
  }

  /** All keys in order. The array is the index's own and valid until the next change. */
  keys(): readonly string[] {
    if (this.#changed.size > 0) this.#settle()
    return this.#sorted
  }

  /** Where a key changes twice between two walks, it is as it was. */
  #note(key: string): void {
    if (!this.#changed.delete(key)) this.#changed.add(key)
  }

  #settle(): void {
    if (this.#changed.size <= FEW_CHANGES) for (const key of this.#changed) this.#place(key)
    else this.#merge()
    this.#changed.clear()
  }

  #place(key: string): void {
    const at = firstIndex(this.#sorted, 0, other => compareUtf8(other, key) >= 0)
    if (this.#values.has(key)) this.#sorted.splice(at, 0, key)
    else this.#sorted.splice(at, 1)
  }

  #merge(): void {
    const kept = this.#sorted.filter(key => !this.#changed.has(key))
    const added = [...this.#changed].filter(key => this.#values.has(key)).sort(compareUtf8)
    this.#sorted = mergeSorted(kept, added)
  }
}

/** The first index from `from` on for which `matches` holds, if it holds for all that follow. */
export function firstIndex(
  keys: readonly string[],
  from: number,
  matches: (key: string) => boolean,
): number {
  let low = from
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (matches(keys[middle] ?? '')) high = middle
    else low = middle + 1
  }
  return low
}

function mergeSorted(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = []
  let j = 0
  for (const key of a) {
    for (let other = b[j]; other !== undefined && compareUtf8(other, key) < 0; other = b[j]) {
      merged.push(other)
      j += 1
    }
    merged.push(key)
  }
  for (; j < b.length; j += 1) merged.push(b[j] ?? '')
  return merged
}
