import { errnoOf } from './fs-errors.ts'
import { fs, promisify } from './node.ts'

const openAsync = promisify(fs.open)
const fsyncAsync = promisify(fs.fsync)
const closeAsync = promisify(fs.close)

/** Waits until the disk has the bytes of an open file. */
export async function syncFile(fd: number): Promise<void> {
  await fsyncAsync(fd)
}

/**
 * Waits until the disk has the names of a folder. Windows and some file systems have no such call;
 * there the names are as durable as the system makes them by itself.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const fd = await openAsync(path, fs.constants.O_RDONLY)
  try {
    await fsyncAsync(fd)
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error
  } finally {
    await closeAsync(fd)
  }
}
