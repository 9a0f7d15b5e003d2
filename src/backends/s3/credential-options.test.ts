import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../core/options.ts'
import type { SettingsSource } from '../../core/settings.ts'
import { type CredentialFunction, credentialsOption } from './credential-function.ts'
import { credentialOptions } from './credential-options.ts'

const nothing: SettingsSource = { configured: undefined, environment: {} }

function configured(values: Record<string, unknown>): SettingsSource {
  return { configured: { values, origin: 'stowage.config.ts' }, environment: {} }
}

const credentials: CredentialFunction = () => ({ accessKey: 'a', secretKey: 'b' })

describe('credentialOptions', () => {
  it('takes a function before all that is configured', () => {
    const source = configured({ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's' })
    expect(credentialOptions('S3Storage', { credentials }, source)).toEqual({
      accessKey: undefined,
      secretKey: undefined,
      securityToken: undefined,
      sessionProfile: undefined,
      credentials,
    })
  })

  it.each([{ accessKey: 'a', secretKey: 'b' }, { securityToken: 't' }, { sessionProfile: 'p' }])(
    'refuses a function beside %o',
    other => {
      expect(() => credentialOptions('S3Storage', { credentials, ...other }, nothing)).toThrow(
        expect.objectContaining({ name: 'ImproperlyConfigured', setting: 'credentials' }),
      )
    },
  )

  it('takes keys of the configuration together, never one from here and one from there', () => {
    const source = configured({ AWS_SECRET_ACCESS_KEY: 's', AWS_ACCESS_KEY_ID: 'k' })
    expect(credentialOptions('S3Storage', {}, source)).toMatchObject({
      accessKey: 'k',
      secretKey: 's',
    })
    expect(() => credentialOptions('S3Storage', { accessKey: 'a' }, source)).toThrow(/"secretKey"/)
  })

  it('leaves keys of the environment to the provider, which never mixes them', () => {
    const environment = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's' }
    const found = credentialOptions('S3Storage', {}, { configured: undefined, environment })
    expect(found.accessKey).toBeUndefined()
  })

  it('takes the profile that the environment names', () => {
    const environment = { AWS_S3_SESSION_PROFILE: 'mine' }
    const found = credentialOptions('S3Storage', {}, { configured: undefined, environment })
    expect(found.sessionProfile).toBe('mine')
  })
})

it('credentialsOption takes functions only', () => {
  const schema = { credentials: credentialsOption }
  expect(resolveOptions('S3Storage', schema, { credentials }, nothing)).toEqual({ credentials })
  expect(() =>
    resolveOptions('S3Storage', schema, { credentials: { accessKey: 'a' } }, nothing),
  ).toThrow(/must be a function/)
})
