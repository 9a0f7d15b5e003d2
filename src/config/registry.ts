import type { Storage } from '../core/storage.ts'
import { currentConfiguration } from './active-configuration.ts'
import { StorageStandIn } from './stand-in.ts'
import { knownAliases } from './storage-entry.ts'

/** Storages by alias. Each is a stand-in that follows the configuration. */
export interface Storages {
  readonly default: Storage
  readonly staticfiles: Storage
  readonly [alias: string]: Storage
}

/**
 * Every alias answers with a stand-in, the same one each time, also before anything is configured:
 * an alias that is unknown rejects at its first use. `Object.keys(storages)` are the configured
 * ones.
 */
export const storages: Storages = new Proxy<Storages>(
  { default: new StorageStandIn('default'), staticfiles: new StorageStandIn('staticfiles') },
  {
    get: standInOf,
    has: (_, alias) => typeof alias === 'string' && aliases().includes(alias),
    ownKeys: aliases,
    getOwnPropertyDescriptor: (standIns, alias) => {
      if (typeof alias === 'symbol' || !aliases().includes(alias)) return undefined
      const value = standInOf(standIns, alias)
      return { value, enumerable: true, configurable: true, writable: true }
    },
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
  },
)

/** Where uploads go: `storages.default`. */
export const defaultStorage: Storage = storages.default

/** Where collected static files go: `storages.staticfiles`. */
export const staticfilesStorage: Storage = storages.staticfiles

/** What makes a promise or JSON of an object is no alias, nor is what every object has. */
function standInOf(standIns: Storages, alias: string | symbol): unknown {
  const isAlias = typeof alias === 'string' && alias !== 'then' && alias !== 'toJSON'
  if (!isAlias || alias in Object.prototype) return Reflect.get(Object.prototype, alias)
  const known: Record<string, Storage> = standIns
  known[alias] ??= new StorageStandIn(alias)
  return known[alias]
}

/** Before the configuration is loaded, or if it cannot be, those that every one has. */
function aliases(): string[] {
  try {
    return knownAliases(currentConfiguration())
  } catch {
    // Printing and comparing ask, too: they must not fail for it.
    return ['default', 'staticfiles']
  }
}
