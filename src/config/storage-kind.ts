import { Storage } from '../core/storage.ts'

/** What `new` makes a configured storage of. */
export type StorageClass = new (options: Readonly<Record<string, unknown>>) => Storage

/** On every stand-in, whichever installed copy made it: loads the storage that is in place. */
export const standInBrand: unique symbol = Symbol.for('stowage.standIn')

/** Whether `value` is a storage, also one of another installed copy of this package. */
export function isStorage(value: unknown): value is Storage {
  if (typeof value !== 'object' || value === null) return false
  if (value instanceof Storage) return true
  const methods = Object.getOwnPropertyNames(Storage.prototype)
  return methods.every(name => typeof Reflect.get(value, name) === 'function')
}

/** Whether `value` is a class of storages. */
export function isStorageClass(value: unknown): value is StorageClass {
  return typeof value === 'function' && value !== Storage && isStorage(value.prototype)
}

/** Whether `value` is one of the stand-ins that `storages.x` gives. */
export function isStandIn(value: unknown): boolean {
  return typeof value === 'object' && value !== null && standInBrand in value
}

/** The storage itself, of a stand-in the one in place: its synchronous methods work at once. */
export async function loadedTarget(storage: Storage): Promise<Storage> {
  const load: unknown = Reflect.get(storage, standInBrand)
  if (typeof load !== 'function') return storage
  const target: unknown = await load()
  return isStorage(target) ? target : storage
}
