import { loadConfig } from '../config/configured-storage.ts'
import { storages } from '../config/registry.ts'

/** Removes what dead processes left in a configured storage, and prints what was removed. */
export async function cleanupUploads(options: {
  readonly config?: string
  readonly storage: string
  readonly olderThan: string
  readonly json?: boolean
}): Promise<boolean> {
  await loadConfig({ file: options.config })
  const removed = await storages[options.storage]?.cleanupUploads({
    olderThan: Number(options.olderThan),
  })
  for (const line of removed ?? []) {
    process.stdout.write(
      `${options.json === true ? JSON.stringify({ removed: line }) : `removed ${line}`}\n`,
    )
  }
  return true
}
