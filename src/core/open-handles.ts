import type { Backend } from './backend.ts'
import { FileReader } from './file-reader.ts'
import { type Commit, FileWriter } from './file-writer.ts'
import type { Name } from './names.ts'
import type { OpenFiles } from './open-file.ts'
import { TextFileReader } from './text-reader.ts'

/** What a storage loads when a file is opened for the first time: importing a storage costs little. */
export type OpenHandles = typeof import('./open-handles.ts')

// No `async`: it would add a promise of its own to every call.
export function openReader(
  backend: Backend,
  name: Name,
  mode: 'r' | 'rb',
  signal: AbortSignal | undefined,
): Promise<OpenFiles['r' | 'rb']> {
  const opening = FileReader.open(backend, name, mode, signal)
  return mode === 'r' ? opening.then(reader => new TextFileReader(reader)) : opening
}

export function openWriter(
  file: { readonly name: string; readonly mode: 'w' | 'wb'; readonly backend: string },
  commit: Commit,
  signal: AbortSignal | undefined,
): OpenFiles['w' | 'wb'] {
  return file.mode === 'w'
    ? new FileWriter<string>(file, commit, signal)
    : new FileWriter<Uint8Array | string>(file, commit, signal)
}
