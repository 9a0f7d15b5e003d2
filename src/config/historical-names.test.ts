import { describe, expect, it } from 'vitest'
import {
  backendOf,
  historicalClassNames,
  historicalSettings,
  supportedSettings,
} from './historical-names.ts'

describe('historical names', () => {
  it('have a type for every setting that this version takes', () => {
    expect(supportedSettings).toContain('AWS_STORAGE_BUCKET_NAME')
    expect(supportedSettings).toContain('MEDIA_ROOT')
    expect(supportedSettings.filter(name => !historicalSettings.includes(name))).toEqual([])
  })

  it.each([
    ['storages.backends.s3boto3.S3Boto3Storage', 'stowage/s3#S3Boto3Storage'],
    ['storages.backends.s3boto.S3Boto3Storage', 'stowage/s3#S3Boto3Storage'],
    ['storages.backends.s3.S3Storage', 'stowage/s3#S3Storage'],
    ['storages.backends.s3boto3.S3StaticStorage', 'stowage/s3#S3StaticStorage'],
    ['django.core.files.storage.InMemoryStorage', 'stowage#MemoryStorage'],
  ])('%s is %s', (dottedPath, backend) => {
    expect(backendOf(dottedPath)).toBe(backend)
  })

  it('know the twelve classes of Django and django-storages, and no member of Object', () => {
    expect(historicalClassNames).toHaveLength(12)
    expect(backendOf('constructor')).toBeUndefined()
  })
})
