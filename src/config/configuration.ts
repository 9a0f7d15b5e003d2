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

/** What a reference to a file that does not exist is. */
export type MissingPolicy = 'error' | 'warn' | 'ignore'

/** Forms in which a compressible static file is stored. */
export interface StaticCompression {
  /**
   * `encoding`: the file itself is compressed and says so (`Content-Encoding`), for services that
   * cannot choose. `siblings`: `x.css.gz` and `x.css.br` lie beside it, for servers that can.
   */
  readonly as: 'encoding' | 'siblings'
  /** Default for `encoding`: gzip, which every client reads; for `siblings`: both. */
  readonly encodings?: readonly ('gzip' | 'br')[] | undefined
  /** Bytes below which nothing is compressed. Default 1,024. */
  readonly minSize?: number | undefined
}

export interface StaticFilesConfiguration {
  /**
   * Folders to collect, relative to the config file: a folder, `[prefix, folder]`,
   * `npm:package/folder` (below the package's name unless a pair says otherwise), `build:folder`
   * (output of Vite or webpack, with its manifest).
   */
  readonly dirs?: readonly StaticFilesDir[] | undefined
  /** Patterns of names that are not collected, such as `*.md`. */
  readonly ignore?: readonly string[] | undefined
  /**
   * What a reference to a missing file is; or that by pattern of the file that refers or of the
   * name that it refers to, the first that fits. Default `error`; for source maps `warn`.
   */
  readonly missing?: MissingPolicy | Readonly<Record<string, MissingPolicy>> | undefined
  /** Whether imports of JavaScript modules are rewritten. Default true. */
  readonly modules?: boolean | undefined
  /** Whether references in pages are rewritten, also in the plain copies. Default false. */
  readonly html?: boolean | undefined
  /** Whether references in SVG files are rewritten. Default false. */
  readonly svg?: boolean | undefined
  /** Whether icons in `*.webmanifest` are rewritten. Default false. */
  readonly webManifests?: boolean | undefined
  /** `Cache-Control` of plain names, or that by pattern. Default `public, max-age=300`. */
  readonly cacheControl?: string | Readonly<Record<string, string>> | undefined
  /** `Cache-Control` of hashed names. Default `public, max-age=31536000, immutable`. */
  readonly hashedCacheControl?: string | undefined
  /** Default: nothing is compressed. */
  readonly compress?: StaticCompression | undefined
  /** Whether the manifest gets hashes for `integrity` attributes of scripts and style sheets. */
  readonly integrity?: boolean | undefined
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
