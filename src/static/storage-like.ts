import { Storage } from '../core/storage.ts'

/** Whether `value` is a storage, also one of another installed copy of this package. */
export function isStorageLike(value: unknown): value is Storage {
  if (value instanceof Storage) return true
  if (typeof value !== 'object' || value === null) return false
  return ['save', 'open', 'list', 'url'].every(
    name => typeof Reflect.get(value, name) === 'function',
  )
}
