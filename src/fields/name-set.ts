/** Names in one bucket at most; a power of two. */
const slots = 1024
/** Where a bucket is split in two; fuller ones answer slowly. */
const maxCount = 0.8 * slots

/**
 * A set of names that keeps 64 bits of each instead of its text: a million take 15 MiB. Two names
 * are taken for one with a chance of 1 to 2⁶⁴ per pair; the seed is new each time, so that nobody
 * can look for such names.
 *
 * It grows by one bucket at a time (extendible hashing): a table that is made anew needs its old one beside
 * it, and leaves that to the collector.
 */
export class NameSet {
  readonly #seed = crypto.getRandomValues(new Uint32Array(2))
  /** By as many of the lowest bits of a hash as tell all buckets apart; 2ⁿ entries. */
  #directory: Bucket[] = [new Bucket(0)]
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Whether the name was not in the set before. */
  add(name: string): boolean {
    const [high, low] = this.#hash(name)
    let bucket = this.#bucketOf(low)
    const slot = bucket.find(high, low)
    if (bucket.isTaken(slot)) return false
    if (bucket.count < maxCount) bucket.put(slot, high, low)
    else {
      do {
        this.#split(bucket, low)
        bucket = this.#bucketOf(low)
      } while (bucket.count >= maxCount)
      bucket.put(bucket.find(high, low), high, low)
    }
    this.#count++
    return true
  }

  has(name: string): boolean {
    const [high, low] = this.#hash(name)
    const bucket = this.#bucketOf(low)
    return bucket.isTaken(bucket.find(high, low))
  }

  /** Whether the name is in the set; it is marked then. */
  mark(name: string): boolean {
    const [high, low] = this.#hash(name)
    const bucket = this.#bucketOf(low)
    const slot = bucket.find(high, low)
    if (!bucket.isTaken(slot)) return false
    bucket.mark(slot)
    return true
  }

  /** Whether the name is in the set and was marked. */
  isMarked(name: string): boolean {
    const [high, low] = this.#hash(name)
    const bucket = this.#bucketOf(low)
    return bucket.isMarked(bucket.find(high, low))
  }

  #bucketOf(low: number): Bucket {
    return this.#directory[low & (this.#directory.length - 1)] as Bucket
  }

  /** Before anything is marked: all names are added first. */
  #split(bucket: Bucket, low: number): void {
    const bit = 1 << bucket.depth
    if (bit === this.#directory.length) this.#directory = this.#directory.concat(this.#directory)
    const other = bucket.split(bit)
    const first = (low & (bit - 1)) | bit
    for (let at = first; at < this.#directory.length; at += 2 * bit) this.#directory[at] = other
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

/** Hashes that have their lowest bits in common. */
class Bucket {
  /** Number of these bits. */
  depth: number
  count = 0
  /** Two words per slot; both 0: it is free. */
  readonly #hashes = new Uint32Array(2 * slots)
  readonly #marks = new Uint8Array(slots / 8)

  constructor(depth: number) {
    this.depth = depth
  }

  /** Where the hash is, or the free slot where it belongs. */
  find(high: number, low: number): number {
    let slot = high & (slots - 1)
    while (this.isTaken(slot)) {
      if (this.#hashes[2 * slot] === high && this.#hashes[2 * slot + 1] === low) return slot
      slot = (slot + 1) & (slots - 1)
    }
    return slot
  }

  isTaken(slot: number): boolean {
    return this.#hashes[2 * slot] !== 0 || this.#hashes[2 * slot + 1] !== 0
  }

  put(slot: number, high: number, low: number): void {
    this.#hashes[2 * slot] = high
    this.#hashes[2 * slot + 1] = low
    this.count++
  }

  mark(slot: number): void {
    const byte = slot >> 3
    this.#marks[byte] = (this.#marks[byte] ?? 0) | (1 << (slot & 7))
  }

  isMarked(slot: number): boolean {
    return ((this.#marks[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0
  }

  /** Gives away what has the bit. */
  split(bit: number): Bucket {
    this.depth++
    const other = new Bucket(this.depth)
    const old = this.#hashes.slice()
    this.#hashes.fill(0)
    this.count = 0
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]]
      if (high === 0 && low === 0) continue
      const bucket = (low & bit) === 0 ? this : other
      bucket.put(bucket.find(high, low), high, low)
    }
    return other
  }
}

function mix(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return (second ^ (second >>> 16)) >>> 0
}
