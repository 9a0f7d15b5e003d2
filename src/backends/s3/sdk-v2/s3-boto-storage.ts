import { ImproperlyConfigured } from '../../../core/errors.ts'
import { type OptionSchema, type OptionSpec, resolveOptions } from '../../../core/options.ts'
import { currentSettings } from '../../../core/settings.ts'
import type { S3Engine } from '../engine.ts'
import {
  maxExpiry,
  type S3Settings,
  type S3StorageOptions,
  s3Schema,
  type Timeouts,
  withDefaults,
} from '../options.ts'
import { S3Backend } from '../s3-backend.ts'
import { type BackendSetup, S3Storage } from '../s3-storage.ts'
import { type LegacyOptions, legacySchema, modernOptions } from './legacy-options.ts'
import type { BotoSettings } from './open-engine.ts'
import { PreloadedBackend } from './preloaded-backend.ts'

/** Options of {@link S3BotoStorage}: those of `S3Storage`, and the names of the page's time. */
export interface S3BotoStorageOptions
  extends Omit<S3StorageOptions, 'signatureVersion' | 'client' | 'checksumAlgorithm' | 'timeouts'>,
    LegacyOptions {
  /** `s3` is version 2; default `s3v4`. */
  readonly signatureVersion?: 's3' | 's3v4' | null | undefined
  /** The older SDK has one time-out for the answer and for its pieces: `headers`. */
  readonly timeouts?: Omit<Timeouts, 'idle'> | undefined
}

/** The schema of the newer options, with what this backend can and what it cannot. */
const botoSchema: OptionSchema<S3StorageOptions & Pick<LegacyOptions, 'preloadMetadata'>> = {
  ...withDefaults({ defaultAcl: 'public-read', contentEncodingFromName: true }),
  signatureVersion: {
    ...s3Schema.signatureVersion,
    check: (version: string) =>
      version === 's3' || version === 's3v4' ? undefined : 'must be s3 or s3v4',
    meaning: 'Version of the signature: s3 is version 2, s3v4 version 4, the default.',
  },
  querystringExpire: {
    ...s3Schema.querystringExpire,
    check: (seconds: number) => (seconds < 1 ? 'must be at least 1 second' : undefined),
  },
  timeouts: {
    ...s3Schema.timeouts,
    check: (timeouts: Timeouts) =>
      timeouts.idle === undefined
        ? checkOf(s3Schema.timeouts)(timeouts)
        : 'cannot have idle: the older SDK has one time-out for the answer and its pieces, headers',
  },
  client: {
    ...s3Schema.client,
    check: () => 'is for S3Storage: this backend makes its own client, of the package aws-sdk',
  },
  checksumAlgorithm: {
    ...s3Schema.checksumAlgorithm,
    check: () => 'is for S3Storage: the older SDK computes no checksums',
  },
  preloadMetadata: legacySchema.preloadMetadata,
}

/**
 * Files in an S3 bucket on the older AWS SDK (the package `aws-sdk`, version 2), with the options,
 * the settings and the defaults of django-storages' `S3BotoStorage`: `public-read` for everything
 * that is written, `Content-Encoding` by the suffix, and signature version 2 on demand. For what
 * needs that; all else is better served by `S3Storage`.
 */
export class S3BotoStorage extends S3Storage {
  static override readonly optionSchema: OptionSchema<S3StorageOptions> = botoSchema

  protected static override readonly takesOldSettings: boolean = true

  protected static override makeBackend(setup: BackendSetup): S3Backend {
    const { owner, environment } = setup
    const settings: BotoSettings = setup.settings
    const open = async (): Promise<S3Engine> => {
      const { openSdkV2Engine } = await import('./open-engine.ts')
      return await openSdkV2Engine(owner, settings, environment)
    }
    return settings.preloadMetadata === true
      ? new PreloadedBackend(open, settings)
      : new S3Backend(open, settings)
  }

  /** @throws ImproperlyConfigured for unknown options, wrong types and contradictions */
  constructor(options: S3BotoStorageOptions = {}) {
    super(optionsOf(new.target.name, options))
  }
}

function optionsOf(owner: string, options: S3BotoStorageOptions): S3StorageOptions {
  const source = currentSettings()
  const isOld = ([name]: [string, unknown]): boolean => Object.hasOwn(legacySchema, name)
  const entries = Object.entries(options ?? {})
  const legacy = resolveOptions(
    owner,
    legacySchema,
    Object.fromEntries(entries.filter(isOld)),
    source,
  )
  const given: S3StorageOptions = Object.fromEntries(entries.filter(each => !isOld(each)))
  const modern = modernOptions(owner, legacy, given, source)
  checkExpiry(owner, resolveOptions(owner, botoSchema, modern, source))
  return modern
}

/** @throws ImproperlyConfigured naming both options */
function checkExpiry(owner: string, settings: S3Settings): void {
  const { signatureVersion, querystringExpire = 0 } = settings
  if (signatureVersion === 's3' || querystringExpire <= maxExpiry) return
  throw new ImproperlyConfigured(
    `${owner} has a "querystringExpire" of more than ${maxExpiry} seconds (7 days), which only "signatureVersion" s3 can sign.`,
    { setting: 'querystringExpire' },
  )
}

function checkOf({ check }: OptionSpec): (value: object) => string | undefined {
  return value => check?.(value as never)
}
