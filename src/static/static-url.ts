import { loadedStorage } from '../config/configured-storage.ts'
import { StorageStandIn } from '../config/stand-in.ts'
import type { OperationOptions } from '../core/backend.ts'
import { UnsupportedError } from '../core/errors.ts'
import { checkText } from '../core/names.ts'
import { type ArgumentTypes, checkArguments } from '../core/options.ts'
import type { Storage } from '../core/storage.ts'
import { resolveStorage } from './collect-settings.ts'
import { hasManifest, manifestKey, type StaticManifest, splitName } from './static-manifest.ts'

export interface StaticUrlOptions extends OperationOptions {
  /** Default: the configured storage of static files. */
  readonly storage?: Storage | undefined
}

/** URLs of static files. */
export interface StaticUrl {
  /**
   * URL of a static file: of its hashed file, where the storage has a manifest. A query and a
   * fragment behind the name are kept.
   *
   * @throws FileNotFoundError for a name that a strict manifest lacks
   */
  (name: string, options?: StaticUrlOptions): Promise<string>
  /** Loads the configuration and the manifest, so that {@link sync} works. */
  load(options?: StaticUrlOptions): Promise<void>
  /**
   * The same without waiting, from what was loaded. A manifest that changed is read in the
   * background.
   *
   * @throws UnsupportedError before {@link load}, and for storages without a manifest or with
   *   signed URLs
   */
  sync(name: string, options?: Pick<StaticUrlOptions, 'storage'>): string
}

const argumentTypes: ArgumentTypes<StaticUrlOptions> = { storage: 'object', signal: 'signal' }

export const staticUrl: StaticUrl = Object.assign(urlOf, { load, sync })

async function urlOf(name: string, options: StaticUrlOptions = {}): Promise<string> {
  checkArguments('staticUrl', argumentTypes, options)
  checkText(name)
  const { signal } = options
  const storage = await resolveStorage(options.storage)
  if (hasManifest(storage)) {
    const manifest = storage[manifestKey]
    const url = (await manifest.has(name, { signal }))
      ? await storage.url(name, { signal })
      : await plainUrl(storage, name, signal)
    // From then on the same is to be had without waiting.
    await manifest.prepareSync({ signal }).catch(ignoreUnsupported)
    return url
  }
  return await plainUrl(storage, name, signal)
}

async function plainUrl(
  storage: Storage,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { base, suffix } = splitName(name)
  return (await storage.url(base, { signal })) + suffix
}

async function load(options: StaticUrlOptions = {}): Promise<void> {
  checkArguments('staticUrl.load', argumentTypes, options)
  const storage = await resolveStorage(options.storage)
  await manifestOf(storage).prepareSync({ signal: options.signal })
}

function sync(name: string, options: Pick<StaticUrlOptions, 'storage'> = {}): string {
  checkArguments('staticUrl.sync', argumentTypes, options)
  checkText(name)
  return manifestOf(loadedOf(options.storage)).urlSync(name)
}

/** The storage that was meant, without waiting: also what a stand-in stands for. */
function loadedOf(storage: Storage | undefined): Storage {
  if (storage === undefined) return loadedStorage('staticfiles')
  return storage instanceof StorageStandIn ? loadedStorage(storage.alias) : storage
}

function manifestOf(storage: Storage): StaticManifest {
  if (hasManifest(storage)) return storage[manifestKey]
  throw new UnsupportedError(
    'staticUrl.sync needs a storage with a manifest: ManifestStaticStorage or S3ManifestStaticStorage.',
    { operation: 'staticUrl.sync' },
  )
}

function ignoreUnsupported(error: unknown): void {
  if (!(error instanceof UnsupportedError)) throw error
}
