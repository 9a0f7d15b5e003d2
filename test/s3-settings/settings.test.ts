import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { configure } from '../../src/index.ts'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { accounts, baseOf, type Effect, effects, type Way } from './effects.ts'
import { Stage } from './stage.ts'

/** Options whose effect is observed elsewhere. */
const elsewhere: Readonly<Record<string, string>> = {
  client: 'test/contract/s3-sdk-v3.test.ts',
}

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start({ accounts })
})

afterAll(() => stage.close())

afterEach(() => {
  configure({})
  vi.unstubAllEnvs()
})

const schema: Readonly<Record<string, { readonly settings?: readonly string[] | undefined }>> =
  S3Storage.optionSchema

/** Of several names, each is tried in one way. */
function settingOf(option: string, way: Way): string {
  const name = (schema[option]?.settings ?? []).at(way === 'configuration' ? 0 : -1)
  if (name === undefined) throw new Error(`${option} has no setting`)
  return name
}

/** Every option with an effect to be seen, given in each way that it can be given. */
const cases = Object.entries(effects).flatMap(([option, effect]) => {
  const ways: Way[] =
    (schema[option]?.settings ?? []).length === 0
      ? ['constructor']
      : ['constructor', 'configuration', 'environment']
  return ways.map(way => [option, way, effect] as const)
})

async function storageWith(effect: Effect, way: Way | 'not at all'): Promise<S3Storage> {
  for (const [name, value] of Object.entries((await effect.environment?.()) ?? {}))
    vi.stubEnv(name, value)
  const given = await effect.given(stage)
  const base = baseOf(effect, given, stage)
  if (way === 'not at all')
    return new S3Storage({ ...baseOf(effect, {}, stage), ...leftOut(effect) })
  if (way === 'constructor') return new S3Storage({ ...base, ...given })
  const configuration: Record<string, unknown> = {}
  for (const [option, value] of Object.entries(given)) {
    const name = settingOf(option, way)
    if (way === 'configuration') configuration[name] = value
    else vi.stubEnv(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  configure(configuration)
  return new S3Storage(base)
}

/** Where the option is needed for any answer, another one is given, so that it is this that shows. */
function leftOut(effect: Effect): S3StorageOptions {
  const { accessKey, secretKey } = stage.server
  const { without = [] } = effect
  return {
    ...(without.includes('accessKey') ? { accessKey, secretKey } : {}),
    ...(without.includes('bucketName') ? { bucketName: 'media' } : {}),
  }
}

describe('a setting has its effect', () => {
  it.each(cases)('%s, given in the %s', async (_option, way, effect) => {
    await effect.check(await storageWith(effect, way), stage)
  })
})

describe('no effect is there without its setting', () => {
  const controls = Object.entries(effects).filter(([, { always }]) => always === undefined)
  it.each(controls)('%s', async (_option, effect) => {
    const storage = await storageWith(effect, 'not at all')
    await expect(effect.check(storage, stage)).rejects.toThrow()
  })
})

it('each option of the schema has an effect that is observed', () => {
  const observed = [...Object.keys(effects), ...Object.keys(elsewhere)]
  expect(Object.keys(schema).filter(option => !observed.includes(option))).toEqual([])
  expect(Object.keys(effects).filter(option => !(option in schema))).toEqual([])
})
