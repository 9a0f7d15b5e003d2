import { ImproperlyConfigured } from '../core/errors.ts'
import { suggestion } from '../core/nearest.ts'
import { quoteName } from '../core/quote.ts'
import type { Storage } from '../core/storage.ts'
import {
  type ActiveConfiguration,
  checkContradictions,
  findSetting,
  historicalAliases,
} from './active-configuration.ts'
import { backendOf, historicalClassNames } from './historical-names.ts'
import type { ClassReference } from './storage-class.ts'
import { isStorage } from './storage-kind.ts'

/** How the storage of an alias is made. */
export interface StoragePlan extends ClassReference {
  readonly options: Readonly<Record<string, unknown>>
}

/** Where uploads go when nothing says where. */
const defaultMedia = { location: './media', baseUrl: '/media/' }
const defaultStaticUrl = '/static/'

const fileSystem = 'stowage#FileSystemStorage'
const memory = 'stowage#MemoryStorage'
const manifestOnDisk = 'stowage/staticfiles#ManifestStaticFilesStorage'

/**
 * The configured storage of an alias, or how to make it: by its entry, by a historical setting,
 * or by the defaults that `default` and `staticfiles` have.
 *
 * @throws ImproperlyConfigured for an alias that is not configured (naming those that are), and
 *   for historical class names that mean nothing here
 */
export function planStorage(
  configuration: ActiveConfiguration,
  alias: string,
): Storage | StoragePlan {
  checkContradictions(configuration)
  const entry = configuration.storages.get(alias)
  if (isStorage(entry)) return entry
  const setting = `storages.${alias}`
  const plan: StoragePlan | undefined =
    entry === undefined
      ? planHistorical(configuration, alias)
      : {
          backend: entry.backend,
          options: entry.options ?? {},
          place: `${setting} in ${configuration.origin}`,
          setting,
        }
  if (alias === 'staticfiles') return planStatic(configuration, plan)
  if (plan !== undefined) return plan
  if (alias === 'default') return planDefault(configuration)
  throw unknownAlias(configuration, alias)
}

/** Every alias that has a storage, `default` and `staticfiles` first. */
export function knownAliases(configuration: ActiveConfiguration): string[] {
  return [...new Set(['default', 'staticfiles', ...configuration.storages.keys()])]
}

/** Aliases whose classes the configuration names. */
export function configuredAliases(configuration: ActiveConfiguration): string[] {
  const historical = Object.entries(historicalAliases).filter(([name]) =>
    findSetting(configuration, name),
  )
  return [...new Set([...configuration.storages.keys(), ...historical.map(([, alias]) => alias)])]
}

function planHistorical(
  configuration: ActiveConfiguration,
  alias: string,
): StoragePlan | undefined {
  for (const [setting, historicalAlias] of Object.entries(historicalAliases)) {
    if (alias !== historicalAlias) continue
    const found = findSetting(configuration, setting)
    if (found === undefined) continue
    const name = String(found.value)
    const backend = backendOf(name) ?? (name.includes('#') ? name : undefined)
    if (backend === undefined) throw unknownClass(setting, found.where, name)
    return { backend, options: {}, place: found.where, setting }
  }
  return undefined
}

function planDefault(configuration: ActiveConfiguration): StoragePlan {
  const options: Record<string, unknown> = {}
  if (findSetting(configuration, 'MEDIA_ROOT') === undefined)
    options['location'] = defaultMedia.location
  if (findSetting(configuration, 'MEDIA_URL') === undefined)
    options['baseUrl'] = defaultMedia.baseUrl
  return { backend: fileSystem, options, place: 'The default', setting: 'storages.default' }
}

/**
 * Static files on disk and in memory have settings of their own, so that they are never collected
 * into the folder of the uploads.
 */
function planStatic(
  configuration: ActiveConfiguration,
  given: StoragePlan | undefined,
): StoragePlan {
  const plan = given ?? {
    backend: fileSystem,
    options: {},
    place: 'The default of staticfiles',
    setting: 'storages.staticfiles',
  }
  if (![fileSystem, memory, manifestOnDisk].includes(plan.backend)) return plan
  const options = { baseUrl: staticUrl(configuration), ...withoutUndefined(plan.options) }
  if (plan.backend === memory || 'location' in options) return { ...plan, options }
  return { ...plan, options: { location: staticRoot(configuration), ...options } }
}

function staticUrl(configuration: ActiveConfiguration): unknown {
  const found = findSetting(configuration, 'STATIC_URL')
  if (found === undefined) return defaultStaticUrl
  if (typeof found.value === 'string' || found.value === null) return found.value
  throw new ImproperlyConfigured(`${found.where} must be a string or null.`, {
    setting: 'STATIC_URL',
  })
}

function staticRoot(configuration: ActiveConfiguration): string {
  const found = findSetting(configuration, 'STATIC_ROOT')
  if (typeof found?.value === 'string') return found.value
  throw new ImproperlyConfigured(
    found === undefined
      ? 'The storage of static files has no folder: set STATIC_ROOT, or storages.staticfiles with a location.'
      : `${found.where} must be a string.`,
    { setting: 'STATIC_ROOT' },
  )
}

function withoutUndefined(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function unknownClass(setting: string, where: string, name: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${where} names ${quoteName(name)}, which is no storage known here.${suggestion(name, historicalClassNames)} A class of your own is named 'module#ClassName'.`,
    { setting },
  )
}

function unknownAlias(configuration: ActiveConfiguration, alias: string): ImproperlyConfigured {
  const known = knownAliases(configuration)
  return new ImproperlyConfigured(
    `There is no storage ${quoteName(alias)}; ${configuration.origin} has ${known.join(', ')}.${suggestion(alias, known)}`,
    { setting: `storages.${alias}` },
  )
}
