import { ImproperlyConfigured } from '../../core/errors.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import { type DataModel, type ModelShape, memberOf } from './client.ts'

export type FilesByModel = Readonly<Record<string, Readonly<Record<string, FileField>>>>

interface Tables {
  readonly models: DataModel['models']
  /** The one that a model's table is in; `undefined` where databases have none. */
  readonly schemaOf: (shape: ModelShape) => string | undefined
}

/** The models that have files, by their names in the schema. */
export function modelsWithFiles(
  files: FilesByModel,
  { models, schemaOf }: Tables,
): FileModels<string> {
  const found = new FileModels<string>()
  for (const [name, fields] of Object.entries(files)) {
    const model = Object.keys(models).find(known => memberOf(known) === name)
    const shape = models[model ?? '']
    const missing = Object.keys(fields).find(column => !hasColumn(shape, column))
    if (model === undefined || shape === undefined || missing !== undefined) {
      const what = shape === undefined ? `model "${name}"` : `column "${missing}" in ${model}`
      throw new ImproperlyConfigured(`The Prisma schema has no ${what}.`, { setting: name })
    }
    for (const [column, field] of Object.entries(fields))
      checkField(`fileExtension() of "${name}.${column}"`, field)
    found.add(model, fileModel(model, shape, fields, schemaOf(shape)))
  }
  return found
}

function fileModel(
  model: string,
  shape: ModelShape,
  fields: Readonly<Record<string, FileField>>,
  schema: string | undefined,
): FileModel {
  // Programs know the names of the schema: those of tables are for statements.
  for (const [property, field] of Object.entries(fields)) field.attach(model, property)
  const columns = Object.entries(fields).map(([property, field]) => {
    const known = shape.fields.find(({ name }) => name === property)
    return { property, field, column: known?.dbName ?? property }
  })
  return new FileModel(shape.dbName ?? model, columns, schema)
}

function hasColumn(shape: ModelShape | undefined, column: string): boolean {
  return shape?.fields.some(({ name }) => name === column) === true
}

/** What tells one row of a model from all others. */
export interface Key {
  readonly columns: readonly string[]
  /** Of several columns together. */
  readonly name: string
}

/** The schema as text: Prisma's client is told neither keys nor relations. */
export class PrismaSchema {
  readonly #blocks: ReadonlyMap<string, string>

  constructor(schema: unknown) {
    const read = String(schema ?? '').replace(unread, text => {
      return text.startsWith('/') ? '' : `"${plain(text.slice(1, -1))}"`
    })
    this.#blocks = new Map(
      [...read.matchAll(/^\s*model\s+(\w+)\s*\{([^}]*)\}/gm)].map(
        ([, model = '', block = '']) => [model, block] as const,
      ),
    )
  }

  /**
   * @throws ImproperlyConfigured for columns that may be null or have another default than their fields,
   *   and for rows that go without a word
   */
  check(models: FileModels<string>): void {
    for (const [model, files] of models) {
      const block = this.#block(model)
      for (const [column, { default: name }] of Object.entries(files.fields)) {
        const line = new RegExp(`^\\s*${column}\\s+String\\b(.*)`, 'm').exec(block)?.[1] ?? ''
        if (line.startsWith('?')) throw nullable(model, column)
        const given = /@default\(\s*"(.+?)"\s*\)/.exec(line)?.[1]
        if (given !== undefined && given !== plain(name ?? ''))
          throw new ImproperlyConfigured(
            `"${column}" of ${model} has another default in the Prisma schema than its field: let @default("…") and \`new FileField({ default })\` name the same file, or let the schema have @default("").`,
            { setting: column },
          )
      }
      if (/\bonDelete:\s*Cascade\b/.test(block))
        files.refuseCascade(model, 'delete the rows before their parent')
    }
  }

  /**
   * @param given the column that the application has named
   * @returns `undefined` for a model without an id
   */
  keyOf(model: string, shape: ModelShape | undefined, given: string | undefined): Key | undefined {
    const block = this.#block(model)
    const column = given ?? /^\s*(\w+)\s[^\n]*\s@id\b/m.exec(block)?.[1]
    if (column !== undefined)
      return hasColumn(shape, column) ? { columns: [column], name: column } : undefined
    const own = /@@id\(((?:[^()]|\([^()]*\))*)\)/.exec(block)?.[1] ?? ''
    const list = /\[([^\]]*)\]/.exec(own)?.[1] ?? ''
    const columns = [...list.matchAll(/(\w+)\s*(?:\([^)]*\))?/g)].map(([, name = '']) => name)
    const name = /\bname:\s*"(\w+)"/.exec(own)?.[1] ?? columns.join('_')
    return columns.length > 0 ? { columns, name } : undefined
  }

  #block(model: string): string {
    return this.#blocks.get(model) ?? ''
  }
}

/** Texts, which may hold braces, and comments. */
const unread = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*.*?\*\//gs

/** A text without what the schema itself is made of. */
function plain(text: string): string {
  return text.replace(/[^\w./-]/g, '_')
}

function nullable(model: string, column: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `"${column}" of ${model} may be null; a file column is String @default(""), where "" stands for no file.`,
    { setting: column },
  )
}
