import { describe, expect, it } from 'vitest'
import { ImproperlyConfigured, ValidationError } from './errors.ts'
import {
  type ArgumentTypes,
  checkArguments,
  type OptionSchema,
  resolveOptions,
  showArgument,
} from './options.ts'
import type { SettingsSource } from './settings.ts'

interface Options {
  readonly secretKey?: string | undefined
  readonly bucketName?: string | null | undefined
  readonly useSsl?: boolean | undefined
  readonly expire?: number | undefined
  readonly types?: readonly string[] | undefined
  readonly parameters?: object | undefined
  readonly mode?: number | undefined
}

const schema: OptionSchema<Options> = {
  secretKey: { type: 'string', settings: ['AWS_S3_SECRET', 'AWS_SECRET'], meaning: '' },
  bucketName: { type: 'string', settings: ['AWS_BUCKET'], or: [null], meaning: '' },
  useSsl: { type: 'boolean', settings: ['AWS_SSL'], default: true, meaning: '' },
  expire: {
    type: 'integer',
    settings: ['AWS_EXPIRE'],
    default: 3600,
    check: (value: number) => (value < 1 ? 'must be at least 1' : undefined),
    meaning: '',
  },
  types: { type: 'strings', settings: ['AWS_TYPES'], meaning: '' },
  parameters: { type: 'object', settings: ['AWS_PARAMETERS'], meaning: '' },
  mode: { type: 'mode', settings: ['MODE'], meaning: '' },
}

function source(
  environment: Record<string, string> = {},
  values: Record<string, unknown> = {},
): SettingsSource {
  return { configured: { values, origin: 'stowage.config.ts' }, environment }
}

function resolve(given: unknown, from: SettingsSource = source()): Options {
  return resolveOptions('S3Storage', schema, given, from)
}

describe('resolveOptions', () => {
  it('takes the option, else the configuration, else the environment, else the default', () => {
    const everywhere = source({ AWS_EXPIRE: '3' }, { AWS_EXPIRE: 2 })
    expect(resolve({ expire: 1 }, everywhere).expire).toBe(1)
    expect(resolve({}, everywhere).expire).toBe(2)
    expect(resolve({ expire: undefined }, source({ AWS_EXPIRE: '3' })).expire).toBe(3)
    expect(resolve(undefined).expire).toBe(3600)
  })

  it('prefers the first of several historical names', () => {
    expect(resolve({}, source({ AWS_SECRET: 'b', AWS_S3_SECRET: 'a' })).secretKey).toBe('a')
    expect(resolve({}, source({ AWS_SECRET: 'b', AWS_S3_SECRET: '' })).secretKey).toBe('b')
  })

  it('refuses what every object seems to have, instead of doing it', () => {
    withEveryObjectHaving('useSsl', false, () => {
      const error = catchError(() => resolve({}))
      expect(error).toBeInstanceOf(ImproperlyConfigured)
      expect(error).toMatchObject({ setting: 'useSsl' })
      expect(String(error)).toContain('Object.prototype has a member "useSsl"')
      expect(resolve({ useSsl: true }).useSsl).toBe(true)
    })
  })

  it('refuses -0 for permission bits: Node would end the process', () => {
    expect(() => resolve({ mode: JSON.parse('-0') })).toThrow('must be permission bits')
    expect(resolve({ mode: 0 }).mode).toBe(0)
  })

  it('takes null for explicitly none, where that is allowed', () => {
    expect(resolve({ bucketName: null }, source({ AWS_BUCKET: 'b' })).bucketName).toBeNull()
    expect(() => resolve({ useSsl: null })).toThrow(ImproperlyConfigured)
  })

  it.each([
    ['true', true],
    ['FALSE', false],
    ['1', true],
    ['0', false],
    ['yes', true],
    ['no', false],
    ['on', true],
    [' off ', false],
  ])('reads %j of the environment as %j', (text, value) => {
    expect(resolve({}, source({ AWS_SSL: text })).useSsl).toBe(value)
  })

  it('reads numbers, lists, objects and modes of the environment', () => {
    const environment = {
      AWS_EXPIRE: ' 60 ',
      AWS_TYPES: '["a","b"]',
      AWS_PARAMETERS: '{"CacheControl":"no-store"}',
      MODE: '0o640',
      AWS_OF_OTHERS: 'ignored',
    }
    expect(resolve({}, source(environment))).toMatchObject({
      expire: 60,
      types: ['a', 'b'],
      parameters: { CacheControl: 'no-store' },
      mode: 0o640,
    })
    expect(resolve({}, source({ MODE: '755' })).mode).toBe(0o755)
  })

  it('refuses an unknown option and names the nearest', () => {
    const error = catchError(() => resolve({ buketName: 'x' }))
    expect(error).toBeInstanceOf(ImproperlyConfigured)
    expect(error).toMatchObject({ setting: 'buketName' })
    expect(String(error)).toContain('Did you mean "bucketName"?')
    expect(String(catchError(() => resolve({ zzzzzzzzzzz: 1 })))).not.toContain('Did you mean')
  })

  it.each([
    [{ expire: '60' }, 'Option "expire" of S3Storage must be a whole number, not a string.'],
    [{ expire: 0 }, 'Option "expire" of S3Storage must be at least 1.'],
    [{ useSsl: 'yes' }, 'Option "useSsl" of S3Storage must be true or false, not a string.'],
    [{ types: ['a', 1] }, 'Option "types" of S3Storage must be a list of strings, not a list.'],
    [{ bucketName: 7 }, 'Option "bucketName" of S3Storage must be a string or null, not a number.'],
    [{ mode: 0o10000 }, 'Option "mode" of S3Storage must be permission bits such as 0o644'],
  ])('refuses %j', (given, message) => {
    expect(() => resolve(given)).toThrow(message)
  })

  it('says where a wrong value was written', () => {
    expect(() => resolve({}, source({}, { AWS_SSL: 'x' }))).toThrow('AWS_SSL in stowage.config.ts')
    expect(() => resolve({}, source({ AWS_EXPIRE: 'x' }))).toThrow(
      'The environment variable AWS_EXPIRE must be a whole number, not a string.',
    )
  })

  it('never prints a value, which may be a secret', () => {
    const secret = 'wJalrXUtnFEMI'
    for (const [given, from] of [
      [{ secretKey: [secret] }, source()],
      [{ secretKey: { secret } }, source()],
      [{ expire: secret }, source()],
      [{}, source({}, { AWS_SECRET: [secret] })],
      [{}, source({ AWS_EXPIRE: secret })],
    ] as const) {
      const error = catchError(() => resolve(given, from))
      expect(error).toBeInstanceOf(ImproperlyConfigured)
      expect(JSON.stringify(error) + String(error)).not.toContain(secret)
    }
  })

  it('refuses options that are no object', () => {
    for (const given of ['bucket', 42, [], null]) {
      expect(() => resolve(given)).toThrow(ImproperlyConfigured)
    }
  })
})

describe('checkArguments', () => {
  const types: ArgumentTypes<{ signal?: AbortSignal; maxLength?: number; metadata?: object }> = {
    signal: 'signal',
    maxLength: 'number',
    metadata: 'object',
  }

  it('takes known members of the right type, and undefined', () => {
    const { signal } = new AbortController()
    checkArguments('save', types, { signal, maxLength: 3, metadata: {} })
    checkArguments('save', types, {})
    checkArguments('save', types, undefined)
  })

  it.each([
    [{ maxLenght: 3 }, 'save() has no option "maxLenght". Did you mean "maxLength"?'],
    [{ maxLength: '3' }, 'Option "maxLength" of save() must be a number, not a string.'],
    [{ metadata: null }, 'Option "metadata" of save() must be an object, not null.'],
    [{ metadata: ['a'] }, 'Option "metadata" of save() must be an object, not a list.'],
    [[], 'The options of save() are an object, not a list.'],
    [{ signal: {} }, 'Option "signal" of save() must be an AbortSignal, not an object.'],
    [null, 'The options of save() are an object, not null.'],
    [{ signal: { aborted: true, reason: 1 } }, 'Option "signal" of save() must be an AbortSignal'],
    [{ toString: 1 }, 'save() has no option "toString".'],
  ])('refuses %j', (options, message) => {
    const error = catchError(() => checkArguments('save', types, options as never))
    expect(error).toBeInstanceOf(ValidationError)
    expect(error).toMatchObject({ operation: 'save' })
    expect(String(error)).toContain(message)
  })

  it('refuses what every object seems to have, instead of doing it', () => {
    withEveryObjectHaving('metadata', { a: 'b' }, () => {
      const error = catchError(() => checkArguments('save', types, {}))
      expect(error).toBeInstanceOf(ValidationError)
      expect(String(error)).toContain('Object.prototype has a member "metadata"')
      checkArguments('save', types, { metadata: {} })
    })
  })
})

describe('showArgument', () => {
  it.each([
    ['a\u001b[31m', '"a\\u001b[31m"'],
    [Number.NaN, 'NaN'],
    [true, 'true'],
    [1n, 'a bigint'],
    [Symbol('s'), 'a symbol'],
    [{ toString: null }, 'an object'],
    [undefined, 'undefined'],
  ])('says what was given: %s', (value, shown) => {
    expect(showArgument(value)).toBe(shown)
  })
})

function withEveryObjectHaving(name: string, value: unknown, work: () => void): void {
  Object.defineProperty(Object.prototype, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  })
  try {
    work()
  } finally {
    Reflect.deleteProperty(Object.prototype, name)
  }
}

function catchError(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown.')
}
