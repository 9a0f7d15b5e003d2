import { ImproperlyConfigured } from '../../core/errors.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import { type DataModel, type ModelShape, memberOf } from './client.ts'

export type FilesByModel = Readonly<Record<string, Readonly<Record<string, FileField>>>>

/** The models that have files, by their names in the schema. */
export function modelsWithFiles(
  files: FilesByModel,
  models: DataModel['models'],
): FileModels<string> {
  const found = new FileModels<string>()
  for (const [name, fields] of Object.entries(files)) {
    const model = Object.keys(models).find(known => memberOf(known) === name)
    const shape = models[model ?? '']
    const missing = Object.keys(fields).find(
      column => shape?.fields.some(known => known.name === column) !== true,
    )
    if (model === undefined || shape === undefined || missing !== undefined) {
      const what = shape === undefined ? `model "${name}"` : `column "${missing}" in ${model}`
      throw new ImproperlyConfigured(`The Prisma schema has no ${what}.`, { setting: name })
    }
    for (const [column, field] of Object.entries(fields))
      checkField(`fileExtension() of "${name}.${column}"`, field)
    found.add(model, fileModel(model, shape, fields))
  }
  return found
}

function fileModel(
  model: string,
  shape: ModelShape,
  fields: Readonly<Record<string, FileField>>,
): FileModel {
  // Programs know the names of the schema: those of tables are for statements.
  for (const [property, field] of Object.entries(fields)) field.attach(model, property)
  const columns = Object.entries(fields).map(([property, field]) => {
    const known = shape.fields.find(({ name }) => name === property)
    return { property, field, column: known?.dbName ?? property }
  })
  return new FileModel(shape.dbName ?? model, columns)
}

/** @throws ImproperlyConfigured for columns that may be null, and rows that go without a word */
export function checkSchema(schema: unknown, models: FileModels<string>): void {
  for (const [, model = '', block = ''] of String(schema ?? '').matchAll(
    /^\s*model\s+(\w+)\s*\{([^}]*)\}/gm,
  )) {
    const files = models.of(model)
    for (const column of files?.properties ?? []) {
      if (new RegExp(`^\\s*${column}\\s+String\\?`, 'm').test(block)) throw nullable(model, column)
    }
    if (/onDelete:\s*Cascade/.test(block))
      files?.refuseCascade(model, 'delete the rows before their parent')
  }
}

function nullable(model: string, column: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `"${column}" of ${model} may be null; a file column is String @default(""), where "" stands for no file.`,
    { setting: column },
  )
}
