/** Slots at the start; a power of two, as every size is. */
const firstSize = 1024
/** Where a table is rebuilt twice as large; fuller ones answer slowly. */
const maxLoad = 0.7

/**
 * A set of names that keeps 64 bits of each instead of its text: a million take 16 MiB. Two names
 * are taken for one with a chance of 1 to 2⁶⁴ per pair; the seed is new each time, so that nobody
 * can look for such names.
 */
export class NameSet {
  readonly #seed = crypto.getRandomValues(new Uint32Array(2))
  #size = firstSize
  /** Two words per slot; both 0: it is free. */
  #hashes = new Uint32Array(2 * firstSize)
  #marks = new Uint8Array(firstSize / 8)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Whether the name was not in the set before. */
  add(name: string): boolean {
    const [high, low] = this.#hash(name)
    if (!this.#insert(high, low)) return false
    this.#count++
    if (this.#count > this.#size * maxLoad) this.#grow()
    return true
  }

  has(name: string): boolean {
    return this.#isTaken(this.#find(...this.#hash(name)))
  }

  /** Whether the name is in the set; it is marked then. */
  mark(name: string): boolean {
    const slot = this.#find(...this.#hash(name))
    if (!this.#isTaken(slot)) return false
    const byte = slot >> 3
    this.#marks[byte] = (this.#marks[byte] ?? 0) | (1 << (slot & 7))
    return true
  }

  /** Whether the name is in the set and was marked. */
  isMarked(name: string): boolean {
    const slot = this.#find(...this.#hash(name))
    return this.#isTaken(slot) && ((this.#marks[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0
  }

  #insert(high: number, low: number): boolean {
    const slot = this.#find(high, low)
    if (this.#isTaken(slot)) return false
    this.#hashes[2 * slot] = high
    this.#hashes[2 * slot + 1] = low
    return true
  }

  /** Where the hash is, or the free slot where it belongs. */
  #find(high: number, low: number): number {
    const mask = this.#size - 1
    let slot = low & mask
    while (this.#isTaken(slot)) {
      if (this.#hashes[2 * slot] === high && this.#hashes[2 * slot + 1] === low) return slot
      slot = (slot + 1) & mask
    }
    return slot
  }

  #isTaken(slot: number): boolean {
    return this.#hashes[2 * slot] !== 0 || this.#hashes[2 * slot + 1] !== 0
  }

  /** Before anything is marked: all names are added first. */
  #grow(): void {
    const old = this.#hashes
    this.#size *= 2
    this.#hashes = new Uint32Array(2 * this.#size)
    this.#marks = new Uint8Array(this.#size / 8)
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]]
      if (high !== 0 || low !== 0) this.#insert(high, low)
    }
  }

  /** Two independent multiplicative hashes with a final mix (MurmurHash3's). */
  #hash(name: string): [high: number, low: number] {
    let high = this.#seed[0] ?? 0
    let low = this.#seed[1] ?? 0
    for (let i = 0; i < name.length; i++) {
      const unit = name.charCodeAt(i)
      high = Math.imul(high ^ unit, 0x85ebca6b)
      low = Math.imul(low ^ unit, 0xc2b2ae35)
      high ^= high >>> 13
      low ^= low >>> 15
    }
    const mixed = mix(high ^ (low >>> 16))
    return [mixed, mix(low ^ (high >>> 15)) || 1]
  }
}

function mix(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return (second ^ (second >>> 16)) >>> 0
}
