import { ImproperlyConfigured, isStorageError } from '../core/errors.ts'
import { checkArguments } from '../core/options.ts'
import type { Storage } from '../core/storage.ts'
import {
  type ActiveConfiguration,
  currentConfiguration,
  loadConfigFile,
  loadedConfiguration,
  withSettings,
} from './active-configuration.ts'
import { reasonOf } from './load-config.ts'
import { findLoadedClass, importClass } from './storage-class.ts'
import { configuredAliases, planStorage, type StoragePlan } from './storage-entry.ts'
import { isStorage, type StorageClass } from './storage-kind.ts'

/**
 * Finds and runs the config file, unless something is configured already, and imports the class
 * of every storage that the configuration names; none is constructed. Afterwards the synchronous
 * methods of `storages.x` work.
 *
 * @param options.file exactly this config file; it replaces what was configured
 * @throws ImproperlyConfigured for a file that cannot be run, and for classes that are not there
 * @throws ValidationError for unknown options and wrong types
 */
export async function loadConfig(
  options: { readonly file?: string | undefined } = {},
): Promise<void> {
  checkArguments('loadConfig', { file: 'string' }, options)
  const configuration =
    options.file === undefined ? await loadedConfiguration() : await loadConfigFile(options.file)
  for (const alias of configuredAliases(configuration)) {
    const plan = planStorage(configuration, alias)
    if (!isStorage(plan)) await importClass(configuration, plan)
  }
}

/** The storage of an alias, imported and constructed at its first use, once per configuration. */
export async function configuredStorage(alias: string): Promise<Storage> {
  const configuration = await loadedConfiguration()
  const built = configuration.built.get(alias)
  if (built !== undefined) return built
  const plan = planStorage(configuration, alias)
  if (isStorage(plan)) return plan
  return construct(configuration, alias, plan, await importClass(configuration, plan))
}

/**
 * The storage of an alias without waiting.
 *
 * @throws ImproperlyConfigured while the configuration or the class is not loaded
 */
export function loadedStorage(alias: string): Storage {
  const configuration = currentConfiguration()
  const built = configuration.built.get(alias)
  if (built !== undefined) return built
  const plan = planStorage(configuration, alias)
  if (isStorage(plan)) return plan
  const Class = findLoadedClass(configuration, plan)
  if (Class !== undefined) return construct(configuration, alias, plan, Class)
  throw new ImproperlyConfigured(
    `${plan.place} is not loaded yet (${plan.backend}): call await loadConfig() first.`,
    { setting: plan.setting },
  )
}

/** Between the import and this, another call may have been faster. */
function construct(
  configuration: ActiveConfiguration,
  alias: string,
  plan: StoragePlan,
  Class: StorageClass,
): Storage {
  const built = configuration.built.get(alias)
  if (built !== undefined) return built
  const storage = withSettings({ ...configuration, entry: plan.place }, () => create(Class, plan))
  configuration.built.set(alias, storage)
  return storage
}

function create(Class: StorageClass, plan: StoragePlan): Storage {
  try {
    return new Class(plan.options)
  } catch (error) {
    if (isStorageError(error)) throw error
    throw new ImproperlyConfigured(
      `${plan.place} could not be constructed (${plan.backend}): ${reasonOf(error)}`,
      { setting: plan.setting, cause: error },
    )
  }
}
