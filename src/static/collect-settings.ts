import { dirname } from 'node:path'
import {
  type ActiveConfiguration,
  findSetting,
  loadedConfiguration,
} from '../config/active-configuration.ts'
import { checkStaticFilesOptions } from '../config/checked-configuration.ts'
import type { StaticFilesConfiguration } from '../config/configuration.ts'
import { configuredStorage } from '../config/configured-storage.ts'
import { StorageStandIn } from '../config/stand-in.ts'
import type { Backend } from '../core/backend.ts'
import { contentTypeOf } from '../core/content-type.ts'
import { ImproperlyConfigured, ValidationError } from '../core/errors.ts'
import { parseReadName } from '../core/names.ts'
import type { Storage } from '../core/storage.ts'
import { Delivery, immutable, shortLived } from './delivery.ts'
import { openRoots, type StaticRoot } from './finders.ts'
import { type MissingRule, missingRule } from './missing-policy.ts'
import type { LanguageOptions } from './source-file.ts'
import { hasManifest, manifestKey, type StaticManifest } from './static-manifest.ts'
import { isStorageLike } from './storage-like.ts'

/** The section `staticfiles` with the options of a call over it. */
export interface CollectSettings {
  readonly roots: readonly StaticRoot[]
  readonly ignore: readonly string[]
  readonly languages: LanguageOptions
  readonly missing: MissingRule
  readonly delivery: Delivery
  readonly integrity: boolean
  /** Where files are stored. */
  readonly files: Storage
  /** Of the storage, if it has one. */
  readonly manifest: StaticManifest | undefined
  /** Path under which the site has the files, as far as it is configured. */
  readonly staticUrl: string | undefined
}

/** What of the settings a call may give. */
export type SettingsOptions = StaticFilesConfiguration & {
  readonly storage?: Storage | undefined
}

/**
 * @throws ImproperlyConfigured for folders that are not there, or none at all, and for wrong
 *   options
 */
export async function collectSettings(options: SettingsOptions): Promise<CollectSettings> {
  const { storage, ...given } = options
  checkStaticFilesOptions(withoutUndefined(given), 'the options')
  const configuration = await loadedConfiguration()
  const merged = { ...configuration.staticfiles, ...withoutUndefined(given) }
  const stored = filesOf(await resolveStorage(storage))
  return {
    ...languageSettings(merged),
    roots: staticRoots(configuration, given),
    ignore: [...(configuration.staticfiles.ignore ?? []), ...(given.ignore ?? [])],
    missing: missingRule(merged.missing ?? 'error'),
    delivery: new Delivery({
      hashedCacheControl: merged.hashedCacheControl ?? immutable,
      cacheControl: merged.cacheControl ?? shortLived,
      compress: merged.compress,
      isCompressedByStorage: name => compresses(stored.files.backend, name),
    }),
    integrity: merged.integrity ?? false,
    ...stored,
    staticUrl: isConfigured(storage) ? configuredUrl(configuration) : undefined,
  }
}

/** The folders of a call, else of the configuration. */
export async function configuredRoots(given: Pick<SettingsOptions, 'dirs'>): Promise<StaticRoot[]> {
  return staticRoots(await loadedConfiguration(), given)
}

/** A storage that is given, or the one of the alias `staticfiles`; what a stand-in stands for. */
export async function resolveStorage(storage: Storage | undefined): Promise<Storage> {
  if (storage === undefined) return await configuredStorage('staticfiles')
  if (storage instanceof StorageStandIn) return await configuredStorage(storage.alias)
  if (isStorageLike(storage)) return storage
  throw new ValidationError('The option "storage" must be a Storage.', {
    operation: 'collectStatic',
  })
}

function staticRoots(
  configuration: ActiveConfiguration,
  given: Pick<SettingsOptions, 'dirs'>,
): StaticRoot[] {
  if (given.dirs !== undefined) return openRoots(given.dirs, process.cwd())
  const { dirs } = configuration.staticfiles
  if (dirs !== undefined)
    return openRoots(
      dirs,
      configuration.file === undefined ? process.cwd() : dirname(configuration.file),
    )
  throw new ImproperlyConfigured(
    `There is nothing to collect: set staticfiles.dirs (or STATICFILES_DIRS) in ${configuration.origin}.`,
    { setting: 'staticfiles.dirs' },
  )
}

function languageSettings(merged: StaticFilesConfiguration): {
  readonly languages: LanguageOptions
} {
  const { modules = true, html = false, svg = false, webManifests = false } = merged
  return { languages: { modules, html, svg, webManifests } }
}

function filesOf(target: Storage): Pick<CollectSettings, 'files' | 'manifest'> {
  if (!hasManifest(target)) return { files: target, manifest: undefined }
  const manifest = target[manifestKey]
  return { files: manifest.files, manifest }
}

function compresses(backend: Backend, name: string): boolean {
  return backend.compresses?.(parseReadName(name), { contentType: contentTypeOf(name) }) ?? false
}

/** Whether the storage is the one that the configuration's settings of static files are about. */
function isConfigured(storage: Storage | undefined): boolean {
  if (storage === undefined) return true
  return storage instanceof StorageStandIn && storage.alias === 'staticfiles'
}

function configuredUrl(configuration: ActiveConfiguration): string | undefined {
  const found = findSetting(configuration, 'STATIC_URL')
  return typeof found?.value === 'string' ? found.value : undefined
}

function withoutUndefined<T extends object>(object: T): Partial<T> & Record<string, unknown> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Partial<T> & Record<string, unknown>
}
