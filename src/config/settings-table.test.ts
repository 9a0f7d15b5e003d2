import { expect, it } from 'vitest'
import { fileSystemSchema } from '../backends/filesystem/options.ts'
import { oldSchema, refusedSettings } from '../backends/s3/old-settings.ts'
import { legacySchema } from '../backends/s3/sdk-v2/legacy-options.ts'
import type { OptionSpec } from '../core/options.ts'
import { S3Boto3Storage, S3StaticStorage, S3Storage } from '../s3.ts'
import { S3BotoStorage } from '../s3-legacy.ts'
import { manifestSchema } from '../static/manifest-options.ts'

type Schema = Readonly<Record<string, OptionSpec>>

it('docs/settings.md shows every option as the schemas have it (vitest -u writes it)', async () => {
  const s3: Schema = S3Storage.optionSchema
  const text = [
    '# Settings',
    'Every option of every storage, made from the schemas that check them. Options are what constructors and `storages.….options` take; settings are their historical names, taken from the top level of the configuration or from the environment, the first one that is set. [Configuration](configuration.md) tells which source wins.',
    '## `FileSystemStorage`',
    table(fileSystemSchema),
    '`MemoryStorage` has `baseUrl`, `fileOverwrite` and `maxNameLength`.',
    '## `S3Storage`',
    table(s3),
    differences('S3Boto3Storage', s3, S3Boto3Storage.optionSchema),
    differences('S3StaticStorage', s3, S3StaticStorage.optionSchema),
    '## `S3BotoStorage`',
    'The older backend, in `stowage/s3-legacy` ([its page](s3-legacy.md)). Options of `S3Storage` without `client` and `checksumAlgorithm`, and those of the old page:',
    table(legacySchema),
    differences('S3BotoStorage', s3, S3BotoStorage.optionSchema),
    '## Settings of the old page',
    'Names of django-storages at the time of its old page that have no option of today. `S3BotoStorage` of `stowage/s3-legacy` takes them all; `S3Storage` and the classes after it make this of them:',
    oldSettings(),
    '## Storages with a manifest',
    'Options of `ManifestStaticStorage`, and besides those of `S3StaticStorage` and `FileSystemStorage` of `S3ManifestStaticStorage` and `ManifestStaticFilesStorage`. [Static files](staticfiles.md) explains them.',
    table(manifestSchema),
  ]
  await expect(`${text.join('\n\n')}\n`).toMatchFileSnapshot('../../docs/settings.md')
})

function table(schema: Schema): string {
  const rows = Object.entries(schema).map(([name, spec]) =>
    row([
      code(name),
      (spec.settings ?? []).map(code).join(', '),
      types(spec),
      defaultOf(spec),
      spec.meaning,
    ]),
  )
  return [
    row(['option', 'settings', 'type', 'default', 'meaning']),
    row(Array(5).fill('---')),
    ...rows,
  ].join('\n')
}

function oldSettings(): string {
  const mapped = Object.values(oldSchema).map(({ settings = [], type, meaning }) =>
    row([settings.map(code).join(', '), type, meaning]),
  )
  const refused = Object.entries(refusedSettings).map(([name, instead]) =>
    row([code(name), '', `Refused: set ${instead}.`]),
  )
  const head = [row(['setting', 'type', 'meaning']), row(Array(3).fill('---'))]
  return [...head, ...mapped, ...refused].join('\n')
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function types(spec: OptionSpec): string {
  return [spec.type, ...(spec.or ?? []).map(value => code(String(value)))].join(' or ')
}

function defaultOf(spec: OptionSpec): string {
  if (spec.default === undefined) return ''
  return code(
    spec.type === 'mode' ? `0o${Number(spec.default).toString(8)}` : JSON.stringify(spec.default),
  )
}

function differences(name: string, base: Schema, schema: Schema): string {
  const changed = Object.entries(schema).filter(
    ([option, spec]) => option in base && spec.default !== base[option]?.default,
  )
  const list = changed.map(([option, spec]) => `${code(option)} ${defaultOf(spec)}`)
  return `${code(name)} differs in its defaults: ${list.join(', ')}.`
}

function code(text: string): string {
  return `\`${text}\``
}
