import { createReadStream } from 'node:fs'
import {
  type BinaryReader,
  type BinaryWriter,
  ClosedFileError,
  type Content,
  ContentFile,
  configure,
  defaultStorage,
  defineConfig,
  FileChangedError,
  FileExistsError,
  FileNotFoundError,
  type FileStat,
  FileSystemStorage,
  FileTooLargeError,
  ImproperlyConfigured,
  IntegrityError,
  InvalidImageError,
  isStorageError,
  loadConfig,
  MemoryStorage,
  NoFileError,
  PermissionDeniedError,
  PreconditionFailedError,
  type SaveOptions,
  type Storage,
  StorageError,
  type StoredFile,
  SuspiciousFileOperation,
  staticfilesStorage,
  storages,
  type TextReader,
  type TextWriter,
  UnavailableError,
  UnsupportedError,
  type UrlOptions,
  ValidationError,
} from 'stowage'

const disk: Storage = new FileSystemStorage({
  location: 'media',
  baseUrl: '/media/',
  fileOverwrite: false,
  filePermissionsMode: 0o640,
  directoryPermissionsMode: 0o750,
  fsync: true,
  maxNameLength: 200,
})
const memory: Storage = new MemoryStorage({ baseUrl: '/m/', fileOverwrite: true })
// @ts-expect-error a misspelt option does not compile
new FileSystemStorage({ locaton: 'media' })

export async function session(storage: Storage, signal: AbortSignal): Promise<void> {
  if (await storage.exists('storage_test')) return
  const writer: TextWriter = await storage.open('storage_test', 'w')
  const written: number = await writer.write('storage contents')
  await writer.close()
  const reader: TextReader = await storage.open('storage_test', 'r')
  const text: string = await reader.read()
  await reader.close()
  await storage.delete('storage_test')
  console.log(written, text)

  const bytes: BinaryReader = await storage.open('a.bin')
  await using same = await storage.open('a.bin', 'rb', { signal })
  const part: Uint8Array = await bytes.read(3)
  const at: number = await bytes.seek(-3, 'end')
  const line: Uint8Array = await bytes.readline()
  for await (const chunk of bytes.chunks(65_536)) chunk.byteLength
  for await (const chunk of same) chunk.byteLength
  for await (const l of reader.lines()) l.toUpperCase()
  await new Response(bytes.readable()).text()
  const size: number = await bytes.size()
  const stored: StoredFile = await storage.file('a.bin')
  await new Response(await stored.bytes()).text()
  await new Response(stored.slice(0, 3).stream()).text()
  console.log(part, at, line, size, bytes.tell(), bytes.name, bytes.mode, bytes.closed)

  const out: BinaryWriter = await storage.open('b.bin', 'wb')
  await out.write(new Uint8Array(3))
  await out.abort()
  await new Response('x').body?.pipeTo((await storage.open('c.bin', 'wb')).writable())
}

export async function saving(storage: Storage): Promise<void> {
  const contents: Content[] = [
    'text',
    new Uint8Array(1),
    new ArrayBuffer(1),
    new Blob(['b']),
    new File(['f'], 'f.txt'),
    new Blob(['w']).stream(),
    createReadStream('x'),
    new ContentFile('c', 'c.txt'),
    (async function* () {
      yield new Uint8Array(1)
      yield 'text'
    })(),
    await storage.open('a.bin'),
  ]
  const options: SaveOptions = {
    maxLength: 100,
    contentType: 'text/plain',
    contentEncoding: 'gzip',
    cacheControl: 'no-store',
    contentDisposition: 'inline',
    metadata: { owner: 'é' },
    acl: 'private',
    overwrite: false,
    onProgress: ({ loaded, total }) => console.log(loaded, total),
  }
  for (const content of contents) {
    const name: string = await storage.save('n.txt', content, options)
    console.log(name)
  }
  await storage.save(null, new File(['f'], 'f.txt'))
  await storage.save('n.txt', 'x', { ifMatch: 'etag' })
  // @ts-expect-error a misspelt option does not compile
  await storage.save('n.txt', 'x', { contentTyp: 'text/plain' })
}

export async function theRest(storage: Storage): Promise<void> {
  const stat: FileStat = await storage.stat('a')
  const etag: string | undefined = stat.etag
  console.log(
    stat.name,
    stat.size,
    stat.modifiedTime.getTime(),
    stat.contentType,
    stat.metadata?.['owner'],
    etag,
  )
  const [directories, files]: [string[], string[]] = await storage.listdir('')
  for await (const entry of storage.list('dir/', { recursive: true }))
    console.log(entry.name, entry.size, directories, files)
  const parameters: UrlOptions = {
    expiresIn: 60,
    parameters: { ResponseContentType: 'text/plain' },
    method: 'PUT',
    download: 'résumé.pdf',
  }
  const url: string = await storage.url('a', parameters)
  const path: string = storage.path('a')
  const times: Date[] = [
    await storage.getModifiedTime('a'),
    await storage.getCreatedTime('a'),
    await storage.getAccessedTime('a'),
  ]
  const names: string[] = [
    await storage.copy('a', 'b'),
    await storage.move('b', 'c'),
    storage.getValidName('a b'),
    await storage.getAvailableName('a', { maxLength: 9 }),
    storage.getAlternativeName('a', '.txt'),
    storage.generateFilename('d/a b'),
    url,
    path,
  ]
  await storage.deleteMany(['a', 'b'], { signal: AbortSignal.timeout(1000) })
  await storage.deleteMany(
    (async function* () {
      yield 'a'
    })(),
  )
  console.log(times, names, await storage.size('a'))
}

export function errors(error: unknown): string {
  if (!isStorageError(error)) throw error
  const facts: [string, boolean] = [error.code, error.retryable]
  console.log(facts, error.operation, error.file, error.backend, error.cause)
  if (error instanceof UnavailableError) return String(error.attempts) + String(error.retryAfter)
  if (error instanceof ImproperlyConfigured) return String(error.setting)
  const kinds = [
    FileNotFoundError,
    FileExistsError,
    PreconditionFailedError,
    PermissionDeniedError,
    SuspiciousFileOperation,
    UnsupportedError,
    IntegrityError,
    ClosedFileError,
    FileChangedError,
    NoFileError,
    InvalidImageError,
    FileTooLargeError,
    ValidationError,
  ]
  return kinds.find(kind => error instanceof kind)?.name ?? StorageError.name
}

export default defineConfig({
  storages: {
    default: { backend: 'stowage/s3#S3Storage', options: { bucketName: 'media' } },
    archive: memory,
    staticfiles: { backend: 'stowage#FileSystemStorage' },
  },
  staticfiles: {
    dirs: ['assets', ['vendor', 'node_modules/leaflet/dist']],
    ignore: ['*.md'],
    missing: 'warn',
  },
})
export async function configuration(): Promise<void> {
  configure({
    DEFAULT_FILE_STORAGE: 'storages.backends.s3boto3.S3Boto3Storage',
    AWS_STORAGE_BUCKET_NAME: 'b',
    AWS_QUERYSTRING_EXPIRE: 60,
    AWS_HEADERS: { 'Cache-Control': 'max-age=86400' },
  })
  configure({ storages: { default: disk } })
  await loadConfig()
  const one: Storage = storages['archive']!,
    same: Storage = storages.default
  await same.exists('a')
  await defaultStorage.save('a', 'x')
  await staticfilesStorage.url('a')
  await one.exists('a')
}
