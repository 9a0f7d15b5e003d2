import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import { suggestion } from '../core/nearest.ts'
import type { ActiveConfiguration } from './active-configuration.ts'
import { importModule, reasonOf } from './load-config.ts'
import { isStorageClass, type StorageClass } from './storage-kind.ts'

/** A class by the name that a configuration gives it, and where it does. */
export interface ClassReference {
  /** `module#ClassName` */
  readonly backend: string
  /** For messages, such as `storages.default in stowage.config.ts`. */
  readonly place: string
  readonly setting: string
}

/** Classes that are loaded with `stowage` itself. */
const loadedClasses: Readonly<Record<string, unknown>> = { FileSystemStorage, MemoryStorage }

/** Entries of this package, by what is imported for them: never more than the one in use. */
const entries: Readonly<Record<string, () => Promise<object>>> = {
  'stowage/s3': () => import('../s3.ts'),
  'stowage/s3-legacy': () => import('../s3-legacy.ts'),
  'stowage/staticfiles': () => import('../staticfiles.ts'),
}

/** The class, if it is loaded. */
export function findLoadedClass(
  configuration: ActiveConfiguration,
  reference: ClassReference,
): StorageClass | undefined {
  const { backend } = reference
  const known = configuration.classes.get(backend)
  if (known !== undefined || !backend.startsWith('stowage#')) return known
  return pickClass(loadedClasses, reference)
}

/**
 * The class, imported if need be.
 *
 * @throws ImproperlyConfigured naming the setting and the class, if there is no such module or
 *   export, or if it is no storage
 */
export async function importClass(
  configuration: ActiveConfiguration,
  reference: ClassReference,
): Promise<StorageClass> {
  const loaded = findLoadedClass(configuration, reference)
  if (loaded !== undefined) return loaded
  const { backend } = reference
  const { classes, imports } = configuration
  const importing = imports.get(backend) ?? startImport(configuration, reference)
  imports.set(backend, importing)
  try {
    const found = await importing
    classes.set(backend, found)
    return found
  } finally {
    imports.delete(backend)
  }
}

async function startImport(
  configuration: ActiveConfiguration,
  reference: ClassReference,
): Promise<StorageClass> {
  const [specifier = ''] = reference.backend.split('#')
  const own = Object.hasOwn(entries, specifier) ? entries[specifier] : undefined
  if (own === undefined && /^stowage(\/|$)/.test(specifier))
    throw unknownEntry(specifier, reference)
  let exported: object
  try {
    exported = await (own?.() ?? importModule(specifier, configuration.file))
  } catch (error) {
    throw new ImproperlyConfigured(
      `${describe(reference)}, whose module could not be loaded: ${reasonOf(error)}`,
      { setting: reference.setting, cause: error },
    )
  }
  return pickClass(exported, reference)
}

function pickClass(exported: object, reference: ClassReference): StorageClass {
  const { backend, setting } = reference
  const [specifier = '', name = ''] = backend.split('#')
  const found: unknown = Object.hasOwn(exported, name) ? Reflect.get(exported, name) : undefined
  if (isStorageClass(found)) return found
  const classes = Object.keys(exported).filter(key => isStorageClass(Reflect.get(exported, key)))
  const problem =
    found !== undefined
      ? `${name} is no class of storages (a class that extends Storage)`
      : `${specifier === 'stowage' || specifier in entries ? `this version of ${specifier}` : specifier} has no class ${name}`
  throw new ImproperlyConfigured(
    `${describe(reference)}, but ${problem}.${suggestion(name, classes)}`,
    { setting },
  )
}

function unknownEntry(specifier: string, reference: ClassReference): ImproperlyConfigured {
  const known = ['stowage', ...Object.keys(entries)]
  return new ImproperlyConfigured(
    `${describe(reference)}, but this version of stowage has no ${specifier} with storages.${suggestion(specifier, known)}`,
    { setting: reference.setting },
  )
}

function describe({ place, backend }: ClassReference): string {
  return `${place} names ${backend}`
}
