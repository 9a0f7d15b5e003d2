import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { S3BotoStorage, type S3BotoStorageOptions } from '../../src/s3-legacy.ts'
import { accounts, baseOf, effects } from '../s3-settings/effects.ts'
import { Stage } from '../s3-settings/stage.ts'

/** What the older SDK cannot, and what is refused there. */
const refused = ['checksumAlgorithm']

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start({ accounts })
})

afterAll(() => stage.close())

afterEach(() => vi.unstubAllEnvs())

describe('an option has its effect on the older backend, too', () => {
  const taken = Object.entries(effects).filter(([option]) => !refused.includes(option))

  it.each(taken)('%s', async (_option, effect) => {
    for (const [name, value] of Object.entries((await effect.environment?.()) ?? {}))
      vi.stubEnv(name, value)
    const given = await effect.given(stage)
    // Without the defaults of its time, which are effects themselves.
    const plain = { defaultAcl: null, contentEncodingFromName: false }
    const options = { ...plain, ...baseOf(effect, given, stage), ...given } as S3BotoStorageOptions
    await effect.check(new S3BotoStorage(options), stage)
  })

  it.each(refused)('but %s, which is refused', async option => {
    const given = await effects[option]?.given(stage)
    expect(() => new S3BotoStorage(given as S3BotoStorageOptions)).toThrow(`"${option}"`)
  })
})
