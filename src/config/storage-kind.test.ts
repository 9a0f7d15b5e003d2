import { describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { Storage } from '../core/storage.ts'
import { StorageStandIn } from './stand-in.ts'
import { isStandIn, isStorage, isStorageClass } from './storage-kind.ts'

/** What another installed copy of the package would have: the same methods, another base class. */
class ForeignStorage {}
for (const name of Object.getOwnPropertyNames(Storage.prototype).slice(1)) {
  const value = Reflect.get(Storage.prototype, name)
  Object.defineProperty(ForeignStorage.prototype, name, { value })
}

describe('a storage', () => {
  it('is told by its class, and of another copy of the package by its methods', () => {
    expect(isStorage(new MemoryStorage())).toBe(true)
    expect(isStorage(new ForeignStorage())).toBe(true)
    expect(isStorage({ save: () => 'a', open: () => 'b' })).toBe(false)
    expect(isStorage(null)).toBe(false)
    expect(isStorage(MemoryStorage)).toBe(false)
  })

  it('is made by classes below Storage, not by Storage itself, which takes a backend', () => {
    expect(isStorageClass(MemoryStorage)).toBe(true)
    expect(isStorageClass(ForeignStorage)).toBe(true)
    expect(isStorageClass(Storage)).toBe(false)
    expect(isStorageClass(Map)).toBe(false)
    expect(isStorageClass(() => new MemoryStorage())).toBe(false)
  })

  it('is a stand-in only where it follows the configuration', () => {
    expect(isStandIn(new StorageStandIn('media'))).toBe(true)
    expect(isStandIn(new MemoryStorage())).toBe(false)
  })
})
