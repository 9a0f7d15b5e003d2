import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Contents by name. */
export type Tree = Readonly<Record<string, string | Uint8Array>>

/** Folders of a test, gone with it. */
export class Folders implements Disposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'stowage-static-'))

  /** A folder with these files. */
  make(name: string, files: Tree): string {
    const dir = join(this.root, name)
    mkdirSync(dir, { recursive: true })
    writeTree(dir, files)
    return dir
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

export function writeTree(dir: string, files: Tree): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}
