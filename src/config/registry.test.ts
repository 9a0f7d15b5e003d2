import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { settingsKey } from '../core/settings.ts'
import { Storage } from '../core/storage.ts'
import { configure } from './active-configuration.ts'
import { defaultStorage, staticfilesStorage, storages } from './registry.ts'

afterEach(() => {
  Reflect.deleteProperty(globalThis, settingsKey)
})

describe('storages', () => {
  it('gives the same stand-in for the same alias each time', () => {
    expect(storages.default).toBe(defaultStorage)
    expect(storages.staticfiles).toBe(staticfilesStorage)
    expect(storages['archive']).toBe(storages['archive'])
    expect(storages['archive']).toBeInstanceOf(Storage)
  })

  it('rejects at the first use of an unknown alias', async () => {
    configure({ storages: { archive: new MemoryStorage() } })
    const { archiv } = storages
    await expect(archiv?.exists('a')).rejects.toThrow('There is no storage "archiv"')
  })

  it('can be awaited, printed, turned into text and JSON', async () => {
    configure({ storages: { archive: new MemoryStorage() } })
    expect(await Promise.resolve(storages)).toBe(storages)
    expect(String(storages)).toBe('[object Object]')
    expect(inspect(storages)).toContain("default: StorageStandIn { alias: 'default' }")
    expect(JSON.parse(JSON.stringify(storages))).toHaveProperty('archive', { alias: 'archive' })
  })

  it('knows the configured aliases', () => {
    configure({ storages: { archive: new MemoryStorage() } })
    expect(Object.keys(storages)).toEqual(['default', 'staticfiles', 'archive'])
    expect('archive' in storages).toBe(true)
    expect('other' in storages).toBe(false)
    configure({})
    expect(Object.keys(storages)).toEqual(['default', 'staticfiles'])
  })

  it('cannot be written to', () => {
    expect(() => Object.assign(storages, { default: new MemoryStorage() })).toThrow(TypeError)
    expect(() => Reflect.deleteProperty(storages, 'default')).not.toThrow()
    expect(storages.default).toBe(defaultStorage)
  })
})
