import { ImproperlyConfigured } from '../core/errors.ts'
import { suggestion } from '../core/nearest.ts'
import { kindOf } from '../core/options.ts'
import type { Storage } from '../core/storage.ts'
import type { StaticFilesConfiguration, StorageEntry } from './configuration.ts'
import { adviceOn, historicalSettings, supportedSettings } from './historical-names.ts'
import { isStandIn, isStorage } from './storage-kind.ts'

/** A configuration whose shape is right, split by what it is for. */
export interface CheckedConfiguration {
  readonly storages: ReadonlyMap<string, Storage | StorageEntry>
  readonly staticfiles: StaticFilesConfiguration
  /** By historical name. Their types are checked by the storages that take them. */
  readonly values: Readonly<Record<string, unknown>>
}

/**
 * Checks what a config file exports or `configure` was given.
 *
 * @throws ImproperlyConfigured for an unknown key (with the nearest known one) and a wrong type,
 *   naming the setting and `origin`, never a value
 */
export function checkConfiguration(given: unknown, origin: string): CheckedConfiguration {
  if (!isRecord(given))
    throw new ImproperlyConfigured(
      `The configuration in ${origin} is an object, not ${describe(given)}.`,
    )
  const values: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === 'storages' || name === 'staticfiles') continue
    if (!supportedSettings.includes(name)) throw unknownSetting(name, origin)
    if (value !== undefined) values[name] = value
  }
  for (const name of ['DEFAULT_FILE_STORAGE', 'STATICFILES_STORAGE'])
    check(name, `${name} in ${origin}`, values[name], isText, 'the name of a storage class')
  return {
    values,
    storages: checkStorages(given['storages'], origin),
    staticfiles: checkStaticFiles(given['staticfiles'], origin),
  }
}

/** @throws ImproperlyConfigured unless `dirs` is a list of folders and pairs */
export function checkStaticDirs(
  setting: string,
  where: string,
  dirs: unknown,
): StaticFilesConfiguration['dirs'] {
  check(setting, where, dirs, isDirs, 'a list of folders and [prefix, folder] pairs')
  return dirs as StaticFilesConfiguration['dirs']
}

function unknownSetting(name: string, origin: string): ImproperlyConfigured {
  const known = ['storages', 'staticfiles', ...supportedSettings]
  const problem = historicalSettings.includes(name)
    ? `This version of stowage does not take ${name}, found in ${origin}.`
    : `There is no setting ${name}, found in ${origin}.${adviceOn(name) ?? suggestion(name, known)}`
  return new ImproperlyConfigured(problem, { setting: name })
}

function checkStorages(given: unknown, origin: string): CheckedConfiguration['storages'] {
  check('storages', `storages in ${origin}`, given, isRecord, 'an object of storages by alias')
  const storages = new Map<string, Storage | StorageEntry>()
  for (const [alias, entry] of Object.entries(given ?? {})) {
    if (entry !== undefined) storages.set(alias, checkEntry(alias, entry, origin))
  }
  return storages
}

function checkEntry(alias: string, entry: unknown, origin: string): Storage | StorageEntry {
  const setting = `storages.${alias}`
  const where = `${setting} in ${origin}`
  if (reservedAliases.includes(alias))
    throw new ImproperlyConfigured(`"${alias}" in ${origin} cannot be the alias of a storage.`, {
      setting,
    })
  if (isStandIn(entry)) {
    throw new ImproperlyConfigured(
      `${where} is one of the stand-ins that follow the configuration; give a storage of its own or { backend, options }.`,
      { setting },
    )
  }
  if (isStorage(entry)) return entry
  check(setting, where, entry, isRecord, 'a Storage or { backend, options }')
  return checkBackend(entry as Record<string, unknown>, setting, where)
}

function checkBackend(
  entry: Record<string, unknown>,
  setting: string,
  where: string,
): StorageEntry {
  checkKeys(setting, where, entry, ['backend', 'options'])
  const { backend, options } = entry
  if (!isBackend(backend)) {
    throw new ImproperlyConfigured(
      `${where} needs a backend in the form 'module#ClassName', such as 'stowage/s3#S3Storage'.`,
      { setting: `${setting}.backend` },
    )
  }
  check(`${setting}.options`, `options of ${where}`, options, isRecord, 'an object')
  return { backend, options: isRecord(options) ? { ...options } : undefined }
}

function checkStaticFiles(given: unknown, origin: string): StaticFilesConfiguration {
  check('staticfiles', `staticfiles in ${origin}`, given, isRecord, 'an object')
  const options = isRecord(given) ? given : {}
  checkStaticFilesOptions(options, origin)
  return { ...options }
}

/**
 * Checks the members of the section `staticfiles`, or such options of a call.
 *
 * @throws ImproperlyConfigured for unknown members and wrong types
 */
export function checkStaticFilesOptions(
  options: Readonly<Record<string, unknown>>,
  origin: string,
): void {
  checkKeys('staticfiles', `staticfiles in ${origin}`, options, Object.keys(staticFilesChecks))
  for (const [name, [isRight, wanted]] of Object.entries(staticFilesChecks))
    check(`staticfiles.${name}`, `staticfiles.${name} in ${origin}`, options[name], isRight, wanted)
}

type Check = readonly [isRight: (value: unknown) => boolean, wanted: string]

const flag: Check = [isBoolean, 'true or false']

const staticFilesChecks: { readonly [K in keyof Required<StaticFilesConfiguration>]: Check } = {
  dirs: [isDirs, 'a list of folders and [prefix, folder] pairs'],
  ignore: [isTexts, 'a list of patterns'],
  missing: [isMissing, "'error', 'warn' or 'ignore', or an object of these by pattern"],
  modules: flag,
  html: flag,
  svg: flag,
  webManifests: flag,
  cacheControl: [isTextOrTexts, 'a string, or an object of strings by pattern'],
  hashedCacheControl: [isText, 'a string'],
  compress: [isCompression, "{ as: 'encoding' or 'siblings', encodings, minSize }"],
  integrity: flag,
}

/** What `storages.x` must answer as every object does, or what makes a promise or JSON of it. */
const reservedAliases: readonly string[] = [
  ...Object.getOwnPropertyNames(Object.prototype),
  'then',
  'toJSON',
]

function checkKeys(
  setting: string,
  where: string,
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    throw new ImproperlyConfigured(`${where} has no member "${name}".${suggestion(name, known)}`, {
      setting: `${setting}.${name}`,
    })
  }
}

function check(
  setting: string,
  where: string,
  value: unknown,
  isRight: (value: unknown) => boolean,
  wanted: string,
): void {
  if (value === undefined || isRight(value)) return
  // A string or a list is mostly right but for what it holds, which is not shown.
  const inside = typeof value === 'string' || Array.isArray(value)
  const instead = inside ? '' : `, not ${describe(value)}`
  throw new ImproperlyConfigured(`${where} must be ${wanted}${instead}.`, { setting })
}

function describe(value: unknown): string {
  return isStorage(value) ? 'a Storage' : kindOf(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Promise) &&
    !isStorage(value)
  )
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText)
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isMissing(value: unknown): boolean {
  return isPolicy(value) || (isRecord(value) && Object.values(value).every(isPolicy))
}

function isPolicy(value: unknown): boolean {
  return value === 'error' || value === 'warn' || value === 'ignore'
}

function isTextOrTexts(value: unknown): boolean {
  return isText(value) || (isRecord(value) && Object.values(value).every(isText))
}

function isCompression(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { as, encodings, minSize, ...others } = value
  return (
    Object.keys(others).length === 0 &&
    (as === 'encoding' || as === 'siblings') &&
    (encodings === undefined || isEncodings(encodings)) &&
    (minSize === undefined || (typeof minSize === 'number' && minSize >= 0))
  )
}

function isEncodings(value: unknown): boolean {
  return Array.isArray(value) && value.every(item => item === 'gzip' || item === 'br')
}

function isDirs(value: unknown): boolean {
  return Array.isArray(value) && value.every(dir => isText(dir) || isPair(dir))
}

function isPair(value: unknown): boolean {
  return isTexts(value) && Array.isArray(value) && value.length === 2
}

function isBackend(value: unknown): value is string {
  return typeof value === 'string' && /^[^#]+#[^#]+$/.test(value)
}
