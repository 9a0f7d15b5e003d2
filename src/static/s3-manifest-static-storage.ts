import { type S3StorageOptions, withDefaults } from '../backends/s3/options.ts'
import { S3StaticStorage } from '../backends/s3/s3-storage.ts'
import { type OptionSchema, resolveOptions } from '../core/options.ts'
import type { UrlOptions } from '../core/storage.ts'
import { manifestSchema } from './manifest-options.ts'
import {
  isForStorage,
  manifestKey,
  StaticManifest,
  type StaticManifestOptions,
} from './static-manifest.ts'

export interface S3ManifestStaticStorageOptions extends S3StorageOptions, StaticManifestOptions {}

/**
 * `S3StaticStorage` with a manifest: its URLs lead to the hashed files that `collectStatic` put
 * there, and are not signed unless an option says so.
 */
export class S3ManifestStaticStorage extends S3StaticStorage {
  static override readonly optionSchema: OptionSchema<S3ManifestStaticStorageOptions> = {
    ...withDefaults({ querystringAuth: false }),
    ...manifestSchema,
  }

  readonly [manifestKey]: StaticManifest

  /** @throws ImproperlyConfigured for unknown options, wrong types and contradictions */
  constructor(options: S3ManifestStaticStorageOptions = {}) {
    super(options)
    const { manifestName, strict, keepGenerations, manifestStorage, refresh } = options
    const given = { manifestName, strict, keepGenerations, manifestStorage, refresh }
    const resolved = resolveOptions(new.target.name, manifestSchema, given)
    this[manifestKey] = new StaticManifest(this, resolved, (name, urlOptions) =>
      super.url(name, urlOptions),
    )
  }

  /**
   * URL of the hashed file; a query and a fragment behind the name are kept.
   *
   * @throws FileNotFoundError for a name that the manifest lacks, unless `strict` is off
   */
  override async url(name: string, options: UrlOptions = {}): Promise<string> {
    if (isForStorage(name, options)) return await super.url(name, options)
    return await this[manifestKey].url(name, options)
  }
}
