import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configure } from '../config/active-configuration.ts'
import { settingsKey } from '../core/settings.ts'
import { cleanupUploads } from './cleanup-uploads.ts'

beforeEach(() => {
  configure({})
})

afterEach(() => {
  Reflect.deleteProperty(globalThis, settingsKey)
})

describe('cleanup-uploads', () => {
  it.each(['other', '__proto__', 'constructor', 'then', 'toJSON'])(
    'fails for the alias %j, which is not configured',
    async storage => {
      await expect(cleanupUploads({ storage, olderThan: 1 })).rejects.toMatchObject({
        name: 'ImproperlyConfigured',
        message: expect.stringContaining(`"${storage}"`),
      })
    },
  )
})
