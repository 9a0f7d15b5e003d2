import { loadConfig } from '../config/configured-storage.ts'
import { StorageStandIn } from '../config/stand-in.ts'
import { print } from './output.ts'

/** Removes what dead processes left in a configured storage, and prints what was removed. */
export async function cleanupUploads(options: {
  readonly config?: string
  readonly storage: string
  readonly olderThan: number
  readonly json?: boolean
}): Promise<boolean> {
  await loadConfig({ file: options.config })
  // Not `storages[…]`: an alias such as `then` would find no storage, and nobody would be told.
  const storage = new StorageStandIn(options.storage)
  const removed = await storage.cleanupUploads({ olderThan: options.olderThan })
  for (const line of removed) {
    print(options.json === true ? JSON.stringify({ removed: line }) : `removed ${line}`)
  }
  return true
}
