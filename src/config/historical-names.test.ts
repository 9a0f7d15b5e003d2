import { describe, expect, it } from 'vitest'
import { fileSystemSchema } from '../backends/filesystem/options.ts'
import { s3Schema } from '../backends/s3/options.ts'
import type { OptionSpec } from '../core/options.ts'
import { backendOf, historicalClassNames, historicalSettings } from './historical-names.ts'

describe('historical names', () => {
  it('hold every setting that an option is read from', () => {
    const schemas = [fileSystemSchema, s3Schema]
    const specs = schemas.flatMap(schema => Object.values<OptionSpec>(schema))
    const settings = specs.flatMap(spec => spec.settings ?? [])
    expect(settings).toContain('AWS_STORAGE_BUCKET_NAME')
    expect(settings.filter(name => !historicalSettings.includes(name))).toEqual([])
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
