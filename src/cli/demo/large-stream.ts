import type { Storage } from '../../core/storage.ts'
import type { Report } from './report.ts'

const chunkSize = 1024 * 1024
const chunks = 200
const mebibyte = 1024 * 1024

/** Saves a stream of 200 MiB and prints how much memory the process took for it at most. */
export async function saveLargeStream(
  title: string,
  storage: Storage,
  report: Report,
): Promise<void> {
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 5)
  try {
    const name = await storage.save('large.bin', generate())
    report.check(`${title}: await storage.size(name)`, await storage.size(name), chunks * chunkSize)
    await storage.delete(name)
  } finally {
    clearInterval(watch)
  }
  const mib = (bytes: number): string => `${Math.round(bytes / mebibyte)} MiB`
  report.note(
    `${title}: peak memory ${mib(peak)}, ${mib(peak - before)} above the ${mib(before)} before`,
  )
}

async function* generate(): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(chunkSize)
  for (let index = 0; index < chunks; index++) {
    chunk.fill(index)
    yield chunk
  }
}
