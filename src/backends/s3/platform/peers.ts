import { ImproperlyConfigured } from '../../../core/errors.ts'

/** What users bring along: never bundled, never installed by us, loaded at the first use. */
interface Peers {
  readonly '@aws-sdk/client-s3': typeof import('@aws-sdk/client-s3')
  readonly 'aws-sdk': typeof import('aws-sdk')
}

/**
 * An optional package, loaded now.
 *
 * @param need what needs it, as the beginning of a sentence
 * @throws ImproperlyConfigured with what to install, when it is missing
 */
export async function loadPeer<K extends keyof Peers>(
  name: K,
  need: string,
  setting: string | undefined,
): Promise<Peers[K]> {
  try {
    // Through a variable, so that no bundler of an application insists on the peer.
    const loaded: Peers[K] = await import(/* webpackIgnore: true */ /* @vite-ignore */ name)
    return loaded
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ImproperlyConfigured(`${need} needs the package ${name}: npm install ${name}`, {
      setting,
      cause: error,
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}
