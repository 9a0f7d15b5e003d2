import type { Storage } from '../core/storage.ts'
import type { HistoricalSettings } from './historical-names.ts'

/** How a storage is made at its first use. */
export interface StorageEntry {
  /**
   * `module#ClassName`: a class of this package (`stowage/s3#S3Storage`), of another package, or
   * of a module beside the config file (`./storages.ts#Media`).
   */
  readonly backend: string
  /** What the constructor gets. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
}

/** A folder of static files; a pair puts its files below a prefix. */
export type StaticFilesDir = string | readonly [prefix: string, dir: string]

export interface StaticFilesConfiguration {
  readonly dirs?: readonly StaticFilesDir[] | undefined
  /** Patterns of names that are not collected, such as `*.md`. */
  readonly ignore?: readonly string[] | undefined
  /** What a reference to a missing file is. Default `error`. */
  readonly missing?: 'error' | 'warn' | 'ignore' | undefined
  /** Whether imports of JavaScript modules are rewritten. Default true. */
  readonly modules?: boolean | undefined
}

/**
 * What a config file exports and {@link configure} takes. Everything is optional; historical
 * names (`AWS_…`, `MEDIA_ROOT`) stand beside the rest.
 */
export interface Configuration extends HistoricalSettings {
  /** Storages by alias. `default` and `staticfiles` have a meaning of their own. */
  readonly storages?: Readonly<Record<string, Storage | StorageEntry>> | undefined
  readonly staticfiles?: StaticFilesConfiguration | undefined
}

/** Returns what it is given: editors complete and check a config file with it. */
export function defineConfig(configuration: Configuration): Configuration {
  return configuration
}
