import { expect, it } from 'vitest'
import { fileSystemSchema } from '../backends/filesystem/options.ts'
import type { OptionSpec } from '../core/options.ts'
import { S3Boto3Storage, S3StaticStorage, S3Storage } from '../s3.ts'
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
    ([option, spec]) => spec.default !== base[option]?.default,
  )
  const list = changed.map(([option, spec]) => `${code(option)} ${defaultOf(spec)}`)
  return `${code(name)} differs in its defaults: ${list.join(', ')}.`
}

function code(text: string): string {
  return `\`${text}\``
}
