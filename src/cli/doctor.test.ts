import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { configure } from '../config/active-configuration.ts'
import { settingsKey } from '../core/settings.ts'
import { doctor } from './doctor.ts'

let printed: string

beforeEach(() => {
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation(text => {
    printed += String(text)
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  Reflect.deleteProperty(globalThis, settingsKey)
})

/** Reads something else than was written. */
class Changing extends MemoryStorage {
  constructor() {
    super()
    const read = this.backend.read.bind(this.backend)
    this.backend.read = async (name, options) => {
      const found = await read(name, options)
      const bytes = new Uint8Array(found.end - found.start)
      return { ...found, body: { ...found.body, bytes: async () => bytes, async *chunks() {} } }
    }
  }
}

describe('doctor', () => {
  it('prints each check and a summary, and is content', async () => {
    configure({ storages: { default: new MemoryStorage() } })
    expect(await doctor({ storage: 'default' })).toBe(true)
    expect(printed).toContain('ok       write              A file can be written.\n')
    expect(printed.trimEnd().split('\n').at(-1)).toBe('memory: 0 failed, 0 to look at')
  })

  it('prints what to do where something fails, and is not content', async () => {
    configure({ storages: { default: new Changing() } })
    expect(await doctor({ storage: 'default' })).toBe(false)
    expect(printed).toMatch(/FAILED {3}read .*\n {28}Something between here/)
  })

  it('prints one object per line as JSON', async () => {
    configure({ storages: { other: new MemoryStorage() } })
    expect(await doctor({ storage: 'other', json: true })).toBe(true)
    const lines = printed
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as object)
    expect(lines[0]).toEqual({ step: 'write', outcome: 'ok', found: 'A file can be written.' })
    expect(lines.at(-1)).toEqual({ storage: 'memory', ok: true, failed: 0, warnings: 0 })
  })

  it.each(['other', '__proto__', 'then'])(
    'fails for the alias %j, which is not configured',
    async storage => {
      configure({})
      await expect(doctor({ storage })).rejects.toMatchObject({ name: 'ImproperlyConfigured' })
    },
  )
})
