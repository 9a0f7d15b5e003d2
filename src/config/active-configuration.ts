import { ImproperlyConfigured } from '../core/errors.ts'
import {
  type ConfiguredSettings,
  type Environment,
  processEnvironment,
  settingsKey,
} from '../core/settings.ts'
import type { Storage } from '../core/storage.ts'
import {
  type CheckedConfiguration,
  checkConfiguration,
  checkStaticDirs,
} from './checked-configuration.ts'
import type { Configuration } from './configuration.ts'
import {
  absolutePath,
  findConfigFile,
  importConfig,
  isJson,
  originOf,
  readJsonConfig,
} from './load-config.ts'
import type { StorageClass } from './storage-kind.ts'

/** The configuration in force, with what was made from it so far. */
export interface ActiveConfiguration extends ConfiguredSettings, CheckedConfiguration {
  /** The config file, which modules of storages are relative to. */
  readonly file: string | undefined
  /** Classes by `backend`, as far as they are imported. */
  readonly classes: Map<string, StorageClass>
  /** Imports under way, so that a module is run once. */
  readonly imports: Map<string, Promise<StorageClass>>
  /** Storages by alias, as far as they were used. */
  readonly built: Map<string, Storage>
}

/** In the registry while a config file is being run. */
interface LoadingConfiguration extends ConfiguredSettings {
  readonly loading: Promise<ActiveConfiguration>
}

/**
 * Replaces the whole configuration: `configure({})` leaves none but the environment. A config file
 * is not searched for any more.
 *
 * @throws ImproperlyConfigured for unknown settings, wrong types and contradictions
 */
export function configure(configuration: Configuration): void {
  activate(configuration, inCode)
}

/**
 * The configuration, as far as it is known without waiting.
 *
 * @throws ImproperlyConfigured while a config file that has to be run has not been
 */
export function currentConfiguration(): ActiveConfiguration {
  const settled = settledConfiguration()
  if (settled !== undefined) return settled
  throw new ImproperlyConfigured(
    'The configuration is not loaded yet: call await loadConfig() first.',
  )
}

/** The configuration, once its file was found and run, if nothing was configured before. */
export async function loadedConfiguration(): Promise<ActiveConfiguration> {
  const settled = settledConfiguration()
  if (settled !== undefined) return settled
  const shared = sharedSettings()
  if (isLoading(shared)) return await shared.loading
  const file = findConfigFile()
  return file === undefined ? activate({}, nowhere) : await startLoading(file)
}

/** Runs exactly this config file; it replaces the whole configuration. */
export async function loadConfigFile(path: string): Promise<ActiveConfiguration> {
  const file = absolutePath(path)
  const { exported } = await importConfig(file)
  return activate(exported, inFile(file))
}

/** A historical setting: from the configuration, else from the environment. */
export function findSetting(
  configuration: ConfiguredSettings,
  name: string,
  environment: Environment = processEnvironment(),
): { readonly value: unknown; readonly where: string; readonly text: boolean } | undefined {
  const value = configuration.values[name]
  if (value !== undefined)
    return { value, where: `${name} in ${configuration.origin}`, text: false }
  const text = environment[name]
  if (text === undefined || text === '') return undefined
  return { value: text, where: `The environment variable ${name}`, text: true }
}

/** Lets constructors see `settings` while `work` runs. */
export function withSettings<T>(settings: ConfiguredSettings, work: () => T): T {
  const before = sharedSettings()
  share(settings)
  try {
    return work()
  } finally {
    if (sharedSettings() === settings) share(before)
  }
}

/** What is configured, or can be without running a file: nothing, or JSON. */
function settledConfiguration(): ActiveConfiguration | undefined {
  const shared = sharedSettings()
  if (isActive(shared)) return shared
  if (isLoading(shared)) return undefined
  const file = findConfigFile()
  if (file === undefined) return activate({}, nowhere)
  return isJson(file) ? activate(readJsonConfig(file), inFile(file)) : undefined
}

async function startLoading(file: string): Promise<ActiveConfiguration> {
  const loading = importConfig(file).then(
    ({ exported }) => finishLoading(placeholder, () => activate(exported, inFile(file))),
    error => finishLoading(placeholder, () => fail(placeholder, error)),
  )
  const placeholder: LoadingConfiguration = { values: {}, origin: originOf(file), loading }
  share(placeholder)
  return await loading
}

/** `configure` may have been called in the meantime: then it decides. */
function finishLoading(
  placeholder: LoadingConfiguration,
  finish: () => ActiveConfiguration,
): ActiveConfiguration {
  const shared = sharedSettings()
  if (shared !== placeholder && isActive(shared)) return shared
  try {
    return finish()
  } catch (error) {
    return fail(placeholder, error)
  }
}

/** The next call tries again. */
function fail(placeholder: LoadingConfiguration, error: unknown): never {
  if (sharedSettings() === placeholder) share(undefined)
  throw error
}

/** Where a configuration was written. */
type Source = Pick<ActiveConfiguration, 'origin' | 'file'>

const inCode: Source = { origin: 'configure()', file: undefined }
const nowhere: Source = { origin: 'the default configuration', file: undefined }

function inFile(file: string): Source {
  return { origin: originOf(file), file }
}

function activate(given: unknown, { origin, file }: Source): ActiveConfiguration {
  const checked = checkConfiguration(given, origin)
  const active: ActiveConfiguration = {
    ...checked,
    origin,
    file,
    staticfiles: withStaticDirs(checked, origin),
    classes: new Map(),
    imports: new Map(),
    built: new Map(),
  }
  checkContradictions(active)
  share(active)
  return active
}

/** `STATICFILES_DIRS` is another name of `staticfiles.dirs`. */
function withStaticDirs(
  checked: CheckedConfiguration,
  origin: string,
): CheckedConfiguration['staticfiles'] {
  const name = 'STATICFILES_DIRS'
  const { staticfiles, values } = checked
  if (staticfiles.dirs !== undefined) {
    if (values[name] !== undefined)
      throw contradiction(name, `${name} in ${origin}`, 'staticfiles.dirs')
    return staticfiles
  }
  const found = findSetting({ values, origin }, name)
  if (found === undefined) return staticfiles
  const value = found.text ? parseJson(found.value) : found.value
  return { ...staticfiles, dirs: checkStaticDirs(name, found.where, value) }
}

function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text))
  } catch {
    return text
  }
}

/** @throws ImproperlyConfigured where one storage is configured under two names */
export function checkContradictions(configuration: ActiveConfiguration): void {
  for (const [name, alias] of Object.entries(historicalAliases)) {
    if (!configuration.storages.has(alias)) continue
    const found = findSetting(configuration, name)
    if (found !== undefined)
      throw contradiction(name, found.where, `storages.${alias} in ${configuration.origin}`)
  }
}

/** Which storage a historical setting names the class of. */
export const historicalAliases: Readonly<Record<string, string>> = {
  DEFAULT_FILE_STORAGE: 'default',
  STATICFILES_STORAGE: 'staticfiles',
}

function contradiction(setting: string, where: string, other: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${where} contradicts ${other}: set only one of them.`, {
    setting,
  })
}

function isActive(settings: ConfiguredSettings | undefined): settings is ActiveConfiguration {
  return settings !== undefined && 'built' in settings
}

function isLoading(settings: ConfiguredSettings | undefined): settings is LoadingConfiguration {
  return settings !== undefined && 'loading' in settings
}

function sharedSettings(): ConfiguredSettings | undefined {
  return (globalThis as SharedGlobal)[settingsKey]
}

function share(settings: ConfiguredSettings | undefined): void {
  ;(globalThis as SharedGlobal)[settingsKey] = settings
}

type SharedGlobal = { [settingsKey]?: ConfiguredSettings | undefined }
