import { ImproperlyConfigured } from '../../../core/errors.ts'

/** What users bring along: never bundled, never installed by us, loaded at the first use. */
interface Peers {
  readonly '@aws-sdk/client-s3': typeof import('@aws-sdk/client-s3')
  readonly 'aws-sdk/clients/s3.js': { readonly default: typeof import('aws-sdk/clients/s3.js') }
  readonly 'aws-sdk/global.js': { readonly default: object }
}

/** The commands of the official SDK. @throws ImproperlyConfigured with what to install */
export async function loadSdk(owner: string): Promise<Peers['@aws-sdk/client-s3']> {
  return await loadPeer('@aws-sdk/client-s3', `Option "client" of ${owner}`, 'client')
}

/** What is used of the older SDK. @throws ImproperlyConfigured with what to install */
export async function loadOldSdk(owner: string): Promise<{
  readonly S3: typeof import('aws-sdk/clients/s3.js')
  readonly computeSha256: unknown
}> {
  const { default: S3 } = await loadPeer('aws-sdk/clients/s3.js', owner, undefined)
  const { default: AWS } = await loadPeer('aws-sdk/global.js', owner, undefined)
  // Documented, and missing in the types: AWS.EventListeners.Core.COMPUTE_SHA256.
  const listeners: { readonly Core?: { readonly COMPUTE_SHA256?: unknown } } =
    Reflect.get(AWS, 'EventListeners') ?? {}
  return { S3, computeSha256: listeners.Core?.COMPUTE_SHA256 }
}

async function loadPeer<K extends keyof Peers>(
  module: K,
  need: string,
  setting: string | undefined,
): Promise<Peers[K]> {
  try {
    // Through a variable, so that no bundler of an application insists on the peer.
    const loaded: Peers[K] = await import(/* webpackIgnore: true */ /* @vite-ignore */ module)
    return loaded
  } catch (error) {
    if (!isMissing(error)) throw error
    const name = module.replace(/^aws-sdk\/.*/, 'aws-sdk')
    throw new ImproperlyConfigured(`${need} needs the package ${name}: npm install ${name}`, {
      setting,
      cause: error,
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}
