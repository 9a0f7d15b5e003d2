/** A process that moves a file, to be killed on the way. Argument: JSON of the storage's options. */
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'

const storage = new S3Storage(JSON.parse(process.argv[2] ?? '{}'))
await storage.move('from.txt', 'to.txt')
