/**
 * A process that overwrites a file again and again, by each way to save in turn, and says each time
 * that it did. Argument: JSON `{ kind: 's3' | 'disk', options, size }`. To be killed.
 */
import { writeSync } from 'node:fs'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import type { Storage } from '../../src/core/storage.ts'

const { kind, options, size } = JSON.parse(process.argv[2] ?? '{}')
const storage: Storage = kind === 's3' ? new S3Storage(options) : new FileSystemStorage(options)

const ways: readonly ((content: Uint8Array<ArrayBuffer>) => Promise<unknown>)[] = [
  content => storage.save('file.bin', content, { overwrite: true }),
  content => storage.save('file.bin', new Blob([content]).stream(), { overwrite: true }),
  async content => {
    const writer = await storage.open('file.bin', 'wb')
    for (let at = 0; at < size; at += 300_000)
      await writer.write(content.subarray(at, at + 300_000))
    await writer.close()
  },
]

// Begins with another way each time: a process lives for two or three.
for (let turn = Math.floor(Math.random() * 3); turn < 10_000; turn++) {
  await ways[turn % ways.length]?.(new Uint8Array(size).fill(turn + process.pid))
  writeSync(1, '.')
}
