import { ImproperlyConfigured } from '../../../core/errors.ts'
import type { OptionSpec } from '../../../core/options.ts'

/** A client of the official SDK (`new S3Client(…)`), as far as it is used: any version 3 fits. */
export interface SdkV3ClientLike {
  send(command: never, options?: never): Promise<unknown>
  readonly config: object
}

/** Spec of the option `client`. */
export const clientOption: OptionSpec = {
  type: 'object',
  check: (client: Partial<SdkV3ClientLike>) =>
    typeof client.send === 'function' && typeof client.config === 'object' && client.config !== null
      ? undefined
      : 'must be a client of the AWS SDK v3: new S3Client(…) of @aws-sdk/client-s3',
  meaning:
    'A configured client of the AWS SDK v3 (new S3Client(…)), which makes the requests instead of our own.',
}

/** What the client is configured for itself, and what only our own client has. */
const clientsOwn: readonly string[] = [
  'accessKey',
  'secretKey',
  'securityToken',
  'sessionProfile',
  'credentials',
  'regionName',
  'endpointUrl',
  'addressingStyle',
  'signatureVersion',
  'useSsl',
  'verify',
  'clientCertificate',
  'proxies',
  'checksumAlgorithm',
  'retries',
  'timeouts',
]

interface OptionsWithClient {
  readonly client?: SdkV3ClientLike | undefined
  readonly transferConfig?: { readonly maxRequests?: number | undefined } | undefined
}

/**
 * Checks what a constructor was given beside a client. Settings of the configuration and the
 * environment are no contradiction: they are for the storages without one.
 *
 * @throws ImproperlyConfigured naming both options
 */
export function checkClientOption(owner: string, given: OptionsWithClient): void {
  if (given.client === undefined) return
  const options = Object.entries(given)
  const [other] =
    options.find(([name, value]) => clientsOwn.includes(name) && value !== undefined) ?? []
  if (other !== undefined) throw besideClient(owner, other, 'which is configured by itself')
  if (given.transferConfig?.maxRequests !== undefined)
    throw besideClient(
      owner,
      'transferConfig.maxRequests',
      'whose agent has its own limit (maxSockets)',
    )
}

/** The options of a storage with a client: without those that are not for it. */
export function withoutClientsOwn<T extends object>(options: T & OptionsWithClient): T {
  if (options.client === undefined) return options
  const own = Object.entries(options).map(
    ([name, value]) => [name, clientsOwn.includes(name) ? undefined : value] as const,
  )
  return Object.fromEntries(own) as T
}

function besideClient(owner: string, option: string, why: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${owner} has "${option}" beside "client", ${why}: give it to the client, and remove it here.`,
    { setting: option },
  )
}
