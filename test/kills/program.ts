import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

/** Programs find undici from here. */
const folder = fileURLToPath(new URL('../../node_modules/.cache/stowage-kills', import.meta.url))

/** A module of this folder, bundled: a process then starts in a fifth of the time. */
export interface Program {
  readonly script: string
  /** A folder of its own, for files. */
  readonly work: string
  remove(): Promise<void>
}

export async function bundleProgram(name: string): Promise<Program> {
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(folder, 'run-'))
  const input = fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
  const bundle = await rolldown({ input, platform: 'node', external: /^(undici|mime|saxes)/ })
  await bundle.write({ dir: work, entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
  await bundle.close()
  const remove = (): Promise<void> => rm(work, { recursive: true })
  return { script: join(work, `${name}.mjs`), work, remove }
}
