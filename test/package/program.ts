/** A program of a user: compiled against the packed package, without any of its peers, and run. */
import {
  FileNotFoundError,
  isStorageError,
  MemoryStorage,
  type SaveOptions,
  type Storage,
} from 'stowage'
import { S3Storage, type S3StorageOptions } from 'stowage/s3'

const s3: S3StorageOptions = {
  bucketName: 'media',
  regionName: 'eu-central-1',
  fileOverwrite: false,
}
const storages: Storage[] = [new MemoryStorage({ baseUrl: '/media/' }), new S3Storage(s3)]

// @ts-expect-error a misspelt option does not compile
export const misspelt: S3StorageOptions = { bucketNam: 'media' }

export async function roundTrip(storage: Storage, options: SaveOptions): Promise<string> {
  const name: string = await storage.save('a b.txt', 'contents', options)
  const reader = await storage.open(name, 'r')
  const text: string = await reader.read()
  await reader.close()
  await storage.delete(name)
  return `${text} at ${await storage.url(name)}`
}

export async function kindOfMissing(storage: Storage): Promise<string> {
  try {
    await storage.stat('missing')
  } catch (error) {
    if (error instanceof FileNotFoundError && isStorageError(error)) return error.code
  }
  return 'no error'
}

const [memory] = storages
if (memory !== undefined) {
  console.log(await roundTrip(memory, { contentType: 'text/plain' }), await kindOfMissing(memory))
}
