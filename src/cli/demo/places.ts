import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FileSystemStorage } from '../../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../backends/memory/memory-storage.ts'
import { S3Storage } from '../../backends/s3/s3-storage.ts'
import { supportedSettings } from '../../config/historical-names.ts'
import { ImproperlyConfigured } from '../../core/errors.ts'
import type { Environment } from '../../core/settings.ts'
import type { Storage } from '../../core/storage.ts'

/** The storages of the demo, and how to be rid of them. */
export interface Places {
  readonly disk: Storage
  readonly memory: Storage
  readonly s3: Storage
  /** For the reader: what the S3 storage talks to. */
  readonly endpoint: string
  close(): Promise<void>
}

/** What the server's process says when it listens. */
export interface ServerReady {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
}

const bucketName = 'stowage-demo'

/** Sets up disk, memory and S3: the embedded server, or what the environment points at. */
export async function openPlaces(environment: Environment): Promise<Places> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-demo-'))
  const disk = new FileSystemStorage({ location: join(folder, 'media'), baseUrl: '/media/' })
  const memory = new MemoryStorage({ baseUrl: '/memory/' })
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const service = await openService(environment, folder)
    const close = async (): Promise<void> => {
      await service.close()
      await removeFolder()
    }
    return { disk, memory, s3: service.storage, endpoint: service.endpoint, close }
  } catch (error) {
    await removeFolder()
    throw error
  }
}

interface Service {
  readonly storage: Storage
  readonly endpoint: string
  close(): Promise<void>
}

async function openService(environment: Environment, folder: string): Promise<Service> {
  const endpointUrl = environment['STOWAGE_DEMO_ENDPOINT']
  if (endpointUrl === undefined || endpointUrl === '') return await startEmbedded(folder)
  if (!environment['AWS_STORAGE_BUCKET_NAME']) {
    throw new ImproperlyConfigured(
      'STOWAGE_DEMO_ENDPOINT is set: name an existing bucket in AWS_STORAGE_BUCKET_NAME, and its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
      { setting: 'bucketName' },
    )
  }
  const location = `stowage-demo-${Date.now()}`
  const storage = new S3Storage({ endpointUrl, location, fileOverwrite: false })
  return { storage, endpoint: endpointUrl, close: () => removeAll(storage) }
}

/** What a demo that stopped half-way left there; what stopped it is what the reader must learn. */
async function removeAll(storage: Storage): Promise<void> {
  try {
    const names: string[] = []
    for await (const { name } of storage.list('', { recursive: true })) names.push(name)
    await storage.deleteMany(names)
  } catch {}
}

/** The server runs in a process of its own, so that the memory printed is the client's alone. */
async function startEmbedded(folder: string): Promise<Service> {
  const script = fileURLToPath(
    new URL(`./server${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  )
  const server = fork(script, [join(folder, 'objects'), bucketName], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = new Promise<void>(resolve => {
    server.once('exit', resolve)
    server.once('error', () => resolve())
  })
  const close = async (): Promise<void> => {
    if (server.connected) server.disconnect()
    await ended
  }
  try {
    const { endpoint, accessKey, secretKey } = await untilReady(server)
    forgetSettings()
    const keys = { accessKey, secretKey }
    const options = { endpointUrl: endpoint, bucketName, fileOverwrite: false, proxies: null }
    return { storage: new S3Storage({ ...keys, ...options }), endpoint, close }
  } catch (error) {
    await close()
    throw error
  }
}

function untilReady(server: ChildProcess): Promise<ServerReady> {
  return new Promise((resolve, reject) => {
    server.once('message', message => resolve(message as ServerReady))
    server.once('error', reject)
    server.once('exit', () => reject(new Error('The embedded S3 server did not start.')))
  })
}

/** What the environment sets is for another service: a location, a domain, a signature version. */
function forgetSettings(): void {
  for (const name of supportedSettings) delete process.env[name]
}
