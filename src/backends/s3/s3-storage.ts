import type { OperationOptions } from '../../core/backend.ts'
import { ImproperlyConfigured, UnsupportedError, withContext } from '../../core/errors.ts'
import { parseWriteName } from '../../core/names.ts'
import {
  type ArgumentTypes,
  checkArguments,
  type OptionSchema,
  resolveOptions,
} from '../../core/options.ts'
import { currentSettings, type Environment } from '../../core/settings.ts'
import { Storage } from '../../core/storage.ts'
import { CloudFrontSigner } from './cloudfront.ts'
import { credentialOptions } from './credential-options.ts'
import type { CredentialOptions } from './credentials.ts'
import type { S3Engine } from './engine.ts'
import { withOldSettings } from './old-settings.ts'
import {
  type S3Settings,
  type S3StorageOptions,
  s3Schema,
  type UrlSigner,
  withDefaults,
} from './options.ts'
import type { PostForm } from './post-policy.ts'
import { offerProbe, offerSubject } from './probe-offer.ts'
import { type BackendFormOptions, S3Backend } from './s3-backend.ts'
import { checkClientOption, withoutClientsOwn } from './sdk-v3/client-option.ts'

/** What a backend is made of, once the options are checked. */
export interface BackendSetup {
  /** Name of the class, for messages. */
  readonly owner: string
  readonly settings: S3StorageOptions & CredentialOptions
  readonly environment: Environment
}

/**
 * Files in an S3 bucket (AWS, R2, MinIO, Ceph, Spaces, B2 …), with the options of django-storages'
 * Amazon S3 backend. Overwrites by default, as there. Nothing is loaded or asked for before the
 * first request.
 */
export class S3Storage extends Storage {
  /** Names, types and defaults of the options; a subclass with other defaults has its own. */
  static readonly optionSchema: OptionSchema<S3StorageOptions> = s3Schema

  /** Whether the class itself understands the settings of the page's time, as `AWS_S3_HOST`. */
  protected static readonly takesOldSettings: boolean = false

  /** The backend of a storage that has no `client`: on our own engine. */
  protected static makeBackend({ owner, settings, environment }: BackendSetup): S3Backend {
    const open = async (): Promise<S3Engine> => {
      const { openNativeEngine } = await import('./native/open-engine.ts')
      return openNativeEngine(owner, settings, environment)
    }
    return new S3Backend(open, settings)
  }

  /** @throws ImproperlyConfigured for unknown options, wrong types and contradictions */
  constructor(given: S3StorageOptions = {}) {
    const { name: owner, optionSchema, takesOldSettings } = new.target
    const source = currentSettings()
    const options = takesOldSettings ? given : withOldSettings(owner, given, source)
    const resolved = withoutClientsOwn(resolveOptions(owner, optionSchema, options, source))
    checkClientOption(owner, given)
    const { environment } = source
    checkSignerOption(owner, given)
    const cloudfrontSigner = urlSigner(owner, resolved)
    const { client } = resolved
    if (client !== undefined) {
      const backend = clientBackend(owner, { ...resolved, cloudfrontSigner }, client)
      super(backend, resolved)
      offerSubject(backend, () => backend.subject())
      return
    }
    const credentials = credentialOptions(owner, options, source)
    const settings = { ...resolved, cloudfrontSigner, ...credentials }
    const backend = new.target.makeBackend({ owner, settings, environment })
    super(backend, resolved)
    if (signsOldWay(resolved)) offerSubject(backend, () => backend.subject())
    else {
      offerProbe(backend, async () => {
        const { openProbe } = await import('./native/open-engine.ts')
        return openProbe(owner, settings, environment)
      })
    }
  }

  /**
   * A form with which a browser uploads one file to that name, without this process in between: by
   * POST as `multipart/form-data`, `fields` first and the file, as `file`, last. What the storage
   * stores with each file comes along.
   *
   * @param name the whole name, or one that ends in `${filename}`, for which S3 puts the browser's
   * @throws ValidationError for an expiry that S3 does not take
   * @throws UnsupportedError with a `client` that signs otherwise than with version 4
   */
  async postForm(name: string, options: PostFormOptions = {}): Promise<PostForm> {
    const { backend } = this
    try {
      checkArguments('postForm', formArguments, options)
      options.signal?.throwIfAborted()
      if (!(backend instanceof S3Backend)) throw new UnsupportedError('This storage has no forms.')
      return await backend.postForm(parseWriteName(name, backend.capabilities), options)
    } catch (error) {
      const signal: unknown = options?.signal
      if (signal instanceof AbortSignal && signal.aborted) throw signal.reason
      throw withContext(error, { operation: 'postForm', file: name, backend: backend.name })
    }
  }
}

/** Of {@link S3Storage.postForm}. */
export interface PostFormOptions extends OperationOptions, BackendFormOptions {}

const formArguments: ArgumentTypes<PostFormOptions> = {
  expiresIn: 'number',
  fields: 'object',
  // A list, which the policy checks with what is in it.
  conditions: 'unknown',
  maxSize: 'number',
  signal: 'signal',
}

/**
 * {@link S3Storage} under the historical name with the historical defaults: `public-read` for
 * everything that is written, and `Content-Encoding` by the suffix.
 */
export class S3Boto3Storage extends S3Storage {
  static override readonly optionSchema: OptionSchema<S3StorageOptions> = withDefaults({
    defaultAcl: 'public-read',
    contentEncodingFromName: true,
  })
}

/** {@link S3Storage} for static assets: its URLs are not signed unless an option says so. */
export class S3StaticStorage extends S3Storage {
  static override readonly optionSchema: OptionSchema<S3StorageOptions> = withDefaults({
    querystringAuth: false,
  })
}

/** The probe's questions are signed with version 4. */
function signsOldWay({ signatureVersion }: S3Settings): boolean {
  return signatureVersion === 's3'
}

function clientBackend(
  owner: string,
  options: S3StorageOptions,
  client: NonNullable<S3StorageOptions['client']>,
): S3Backend {
  const open = async (): Promise<S3Engine> => {
    const { openSdkV3Engine } = await import('./sdk-v3/open-engine.ts')
    return await openSdkV3Engine(owner, options, client)
  }
  return new S3Backend(open, options)
}

/**
 * Keys of the configuration are no contradiction: they are for the storages without a signer.
 *
 * @throws ImproperlyConfigured for a signer beside keys that it would make useless
 */
function checkSignerOption(owner: string, given: S3StorageOptions): void {
  const { cloudfrontSigner, cloudfrontKeyId, cloudfrontKey } = given
  if (typeof cloudfrontSigner !== 'function') return
  if (cloudfrontKeyId === undefined && cloudfrontKey === undefined) return
  const beside = cloudfrontKey === undefined ? 'cloudfrontKeyId' : 'cloudfrontKey'
  throw new ImproperlyConfigured(
    `${owner} has "cloudfrontSigner" and "${beside}", which both sign URLs: set only one of them.`,
    { setting: 'cloudfrontSigner' },
  )
}

/**
 * What signs URLs of a custom domain: the option, else CloudFront's keys, which are read here, once.
 *
 * @throws ImproperlyConfigured for a key without its id, an id without a key, and for no key in PEM
 */
function urlSigner(owner: string, options: S3StorageOptions): UrlSigner | undefined {
  const { cloudfrontSigner, cloudfrontKeyId: keyId, cloudfrontKey: key } = options
  if (cloudfrontSigner === null) return undefined
  if (cloudfrontSigner !== undefined) return cloudfrontSigner
  if (keyId === undefined && key === undefined) return undefined
  if (keyId === undefined || key === undefined) {
    const [missing, present] =
      keyId === undefined
        ? ['cloudfrontKeyId', 'cloudfrontKey']
        : ['cloudfrontKey', 'cloudfrontKeyId']
    throw new ImproperlyConfigured(
      `${owner} has "${present}" but no "${missing}": both must be provided together (AWS_CLOUDFRONT_KEY_ID and AWS_CLOUDFRONT_KEY).`,
      { setting: missing },
    )
  }
  if (options.urlProtocol === '' && options.customDomain)
    throw new ImproperlyConfigured(
      `${owner} has an empty "urlProtocol" (AWS_S3_URL_PROTOCOL) and a "cloudfrontKey", which signs whole URLs only: set "https:".`,
      { setting: 'urlProtocol' },
    )
  const signer = new CloudFrontSigner({ keyId, key })
  return (url, { expiresAt }) => signer.signUrl(url, { expiresAt })
}
