import type { Capabilities } from '../../src/core/backend.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What a storage should hold: a `Map`, and the rules about folders. */
export class Model {
  readonly #files = new Map<string, Bytes>()
  readonly #overlapping: boolean

  constructor(capabilities: Capabilities) {
    this.#overlapping = capabilities.overlappingFolders
  }

  get(name: string): Bytes | undefined {
    return this.#files.get(name)
  }

  set(name: string, bytes: Bytes): void {
    this.#files.set(name, bytes)
  }

  delete(name: string): void {
    this.#files.delete(name)
  }

  /** Whether a save without overwriting takes this very name. */
  isFree(name: string): boolean {
    return !this.#files.has(name) && !this.isBlockedFolder(name)
  }

  /** Whether files lie below the name, where a name cannot be file and folder. */
  isBlockedFolder(name: string): boolean {
    return !this.#overlapping && this.below(name).length > 0
  }

  /** Whether a part of the name is a file, where a name cannot be file and folder. */
  parentIsFile(name: string): boolean {
    if (this.#overlapping) return false
    const parts = name.split('/')
    return parts.some((_, index) => index > 0 && this.#files.has(parts.slice(0, index).join('/')))
  }

  /** Names below a folder in the order of their UTF-8 bytes. */
  below(folder: string): string[] {
    const prefix = folder === '' ? '' : `${folder}/`
    return sorted([...this.#files.keys()].filter(name => name.startsWith(prefix)))
  }

  /** Directories and files of one level, without the path. */
  level(folder: string): [directories: string[], files: string[]] {
    const prefix = folder === '' ? '' : `${folder}/`
    const rests = this.below(folder).map(name => name.slice(prefix.length).split('/'))
    const directories = rests.flatMap(([first = '', ...more]) => (more.length > 0 ? [first] : []))
    const files = rests.flatMap(([first = '', ...more]) => (more.length > 0 ? [] : [first]))
    return [sorted([...new Set(directories)]), sorted(files)]
  }
}

function sorted(names: string[]): string[] {
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
