import {
  ImproperlyConfigured,
  PermissionDeniedError,
  type StorageError,
  UnavailableError,
} from '../../../core/errors.ts'
import { quoteName } from '../../../core/quote.ts'
import type { AwsWay, ExpiringCredentials } from '../credentials.ts'

/**
 * Keys by a way that asks a network or a program, through the optional peer
 * `@aws-sdk/credential-providers`, which is loaded here and nowhere else. Each call asks anew.
 *
 * @returns `undefined` for an instance that has none to give, or where the peer is missing for it:
 *   nothing says that there is one
 * @throws ImproperlyConfigured when the peer is missing, or what is configured gives no keys
 * @throws PermissionDeniedError when the role may not be taken on
 * @throws UnavailableError when the network fails
 */
export async function askAws(
  way: AwsWay,
  load: () => Promise<Peer | undefined> = loadPeer,
): Promise<ExpiringCredentials | undefined> {
  const peer = await load()
  if (peer === undefined) {
    if (way.kind === 'instance') return undefined
    throw missingPeer(way)
  }
  try {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provide(peer, way)
    return {
      accessKey: accessKeyId,
      secretKey: secretAccessKey,
      securityToken: sessionToken,
      expiresAt: expiration?.getTime(),
    }
  } catch (error) {
    if (way.kind === 'instance') return undefined
    throw failureOf(way, error)
  }
}

type Peer = typeof import('@aws-sdk/credential-providers')
type SdkCredentials = Awaited<ReturnType<ReturnType<Peer['fromIni']>>>

/** The name goes through a variable, so that no bundler of an application insists on the peer. */
const peerName = '@aws-sdk/credential-providers'

async function loadPeer(): Promise<Peer | undefined> {
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ peerName)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')
      return undefined
    throw error
  }
}

async function provide(peer: Peer, way: AwsWay): Promise<SdkCredentials> {
  switch (way.kind) {
    case 'profile':
      return await peer.fromIni({
        profile: way.profile,
        ...given({ filepath: way.credentialsFile, configFilepath: way.configFile }),
        ignoreCache: true,
        // As `clientConfig` it would also replace the region of a profile's IAM Identity Center.
        parentClientConfig: { region: way.region },
      })()
    case 'web identity':
      return await peer.fromTokenFile({
        webIdentityTokenFile: way.tokenFile,
        roleArn: way.roleArn,
        ...given({ roleSessionName: way.sessionName }),
        clientConfig: { region: way.region },
      })()
    case 'container':
      return await peer.fromHttp(
        given({
          awsContainerCredentialsFullUri: way.fullUri,
          awsContainerCredentialsRelativeUri: way.relativeUri,
          awsContainerAuthorizationToken: way.token,
          awsContainerAuthorizationTokenFile: way.tokenFile,
        }),
      )()
    case 'instance':
      return await peer.fromInstanceMetadata({ timeout: 1000, maxRetries: 0 })()
  }
}

/** The members that are there: to the SDK, `undefined` is a value. */
function given<K extends string>(
  members: Readonly<Record<K, string | undefined>>,
): {
  [P in K]?: string
} {
  const all = Object.entries<string | undefined>(members)
  return Object.fromEntries(all.filter(([, value]) => value !== undefined)) as { [P in K]?: string }
}

function missingPeer(way: AwsWay): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${sourceOf(way)} gives keys only with the package ${peerName}: npm install ${peerName}`,
    { setting: settingOf(way) },
  )
}

function failureOf(way: AwsWay, error: unknown): StorageError {
  const source = sourceOf(way)
  // A program's failure holds its command line, and what it printed.
  const cause = way.kind === 'profile' && way.by === 'credential_process' ? undefined : error
  const { name, $fault: fault } = error as { readonly name?: unknown; readonly $fault?: unknown }
  if (fault === 'client')
    return new PermissionDeniedError(`${source} gives no keys: it was refused them.`, { cause })
  if (typeof name === 'string' && name.endsWith('ProviderError'))
    return new ImproperlyConfigured(`${source} gives no keys: check its settings.`, {
      setting: settingOf(way),
      cause,
    })
  return new UnavailableError(`${source} gives no keys at present.`, { cause })
}

function sourceOf(way: AwsWay): string {
  switch (way.kind) {
    case 'profile':
      return `Profile ${quoteName(way.profile)} (${way.by})`
    case 'web identity':
      return 'The web identity of the environment (AWS_WEB_IDENTITY_TOKEN_FILE)'
    case 'container':
      return 'The container (AWS_CONTAINER_CREDENTIALS_…)'
    case 'instance':
      return 'The instance'
  }
}

function settingOf(way: AwsWay): string {
  return way.kind === 'profile' ? 'sessionProfile' : 'accessKey'
}
