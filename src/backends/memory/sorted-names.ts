import { compareUtf8 } from '../../core/bytes.ts'
import type { Folder, Name } from '../../core/names.ts'

/** What a page of names holds; `last` is where the next one starts, missing at the end. */
export interface NamePage {
  readonly names: Name[]
  readonly folders: Folder[]
  readonly last: string | undefined
}

/**
 * The names of all files in the order of their UTF-8 bytes. Additions are gathered and sorted in
 * at the next look, so that neither many saves nor many listings cost more than they must.
 */
export class SortedNames {
  #sorted: Name[] = []
  #added = new Set<Name>()
  #deleted = new Set<Name>()
  /** How many names lie below each folder. */
  readonly #folders = new Map<string, number>()

  /** A name that is not there yet. */
  add(name: Name): void {
    if (!this.#deleted.delete(name)) this.#added.add(name)
    this.#count(name, 1)
  }

  /** A name that is there. */
  delete(name: Name): void {
    if (!this.#added.delete(name)) this.#deleted.add(name)
    this.#count(name, -1)
  }

  /** Whether a name starts with `folder`. */
  hasFolder(folder: Folder): boolean {
    return this.#folders.has(folder)
  }

  /** At most `size` entries behind `after` (a name, or a folder whose names are all passed over). */
  page(folder: Folder, recursive: boolean, after: string | undefined, size: number): NamePage {
    this.#settle()
    const names: Name[] = []
    const folders: Folder[] = []
    let last: string | undefined
    let at = after === undefined ? this.#position(folder) : this.#positionAfter(after)
    while (names.length + folders.length < size) {
      const name = this.#sorted[at]
      if (name === undefined || !name.startsWith(folder)) break
      const slash = recursive ? -1 : name.indexOf('/', folder.length)
      if (slash === -1) {
        names.push(name)
        last = name
        at++
      } else {
        const below: Folder = `${name.slice(0, slash)}/`
        folders.push(below)
        last = below
        at = this.#positionAfter(below)
      }
    }
    return { names, folders, last }
  }

  #count(name: Name, change: 1 | -1): void {
    for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
      const folder = name.slice(0, slash + 1)
      const count = (this.#folders.get(folder) ?? 0) + change
      if (count === 0) this.#folders.delete(folder)
      else this.#folders.set(folder, count)
    }
  }

  /** Where the names begin that are not below `after`, whether or not it is still there. */
  #positionAfter(after: string): number {
    if (!after.endsWith('/')) {
      const at = this.#position(after)
      return this.#sorted[at] === after ? at + 1 : at
    }
    // The names below a folder end where the character behind "/" begins.
    return this.#position(`${after.slice(0, -1)}0`)
  }

  /** Index of the first name that is not before `text`. */
  #position(text: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareUtf8(this.#sorted[middle] ?? '', text) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #settle(): void {
    if (this.#added.size === 0 && this.#deleted.size === 0) return
    const kept =
      this.#deleted.size === 0
        ? this.#sorted
        : this.#sorted.filter(name => !this.#deleted.has(name))
    const added = [...this.#added].sort(compareUtf8)
    this.#added = new Set()
    this.#deleted = new Set()
    this.#sorted = merge(kept, added)
  }
}

function merge(a: readonly Name[], b: readonly Name[]): Name[] {
  if (b.length === 0) return [...a]
  const merged: Name[] = []
  let i = 0
  for (const name of b) {
    for (; i < a.length && compareUtf8(a[i] ?? '', name) < 0; i++) merged.push(a[i] as Name)
    merged.push(name)
  }
  return merged.concat(a.slice(i))
}
