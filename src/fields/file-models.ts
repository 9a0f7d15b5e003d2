import { bypass, cascades } from './bypass.ts'
import type { FileField } from './file-field.ts'
import type { FileFields } from './rows.ts'
import { type FiledTable, refuseStatement } from './statements.ts'

/** A file column, as its rows and its table name it. */
export interface FileColumn {
  readonly property: string
  readonly field: FileField
  /** Default: the same as the property. */
  readonly column?: string | undefined
}

/** A table whose rows have files. */
export class FileModel implements FiledTable {
  /** As SQL names it. */
  readonly table: string
  /** Without it, any schema is meant. */
  readonly schema: string | undefined
  /** Of other tables that are called the same and have no files, with their schema. */
  readonly others: readonly string[]
  /** Fields by the properties of the rows. */
  readonly fields: FileFields
  /** Fields by their columns in the database. */
  readonly columns: FileFields

  /** Tells each field its column. */
  constructor(
    table: string,
    files: Iterable<FileColumn>,
    schema?: string | undefined,
    others: readonly string[] = [],
  ) {
    const all = [...files]
    this.table = table
    this.schema = schema
    this.others = others
    this.fields = Object.fromEntries(all.map(({ property, field }) => [property, field]))
    this.columns = Object.fromEntries(
      all.map(({ property, column = property, field }) => [column, field]),
    )
    for (const { property, column = property, field } of all) field.attach(table, column, property)
  }

  get properties(): readonly string[] {
    return Object.keys(this.fields)
  }

  /** A property whose files go with their rows, if there is one. */
  get cleaned(): string | undefined {
    return this.properties.find(property => this.fields[property]?.onDelete === 'cleanup')
  }

  /** The file properties whose files some values would take away from rows, or are content for. */
  touched(values: unknown): readonly string[] {
    return this.properties.filter(property => {
      const value: unknown = Reflect.get(Object(values), property)
      const isName = typeof value === 'string' || value === null
      return value !== undefined && (!isName || this.fields[property]?.onReplace === 'cleanup')
    })
  }

  /** @throws UnsupportedError if the values, which go past the rows, are for files */
  refuseWrite(values: unknown, method: string, instead: string): void {
    const touched = this.touched(values)
    if (touched.length > 0) throw bypass(method, touched, instead)
  }

  /** @throws UnsupportedError if files would have to go with the rows, which the method goes past */
  refuseDeletion(method: string, instead: string): void {
    if (this.cleaned !== undefined) throw bypass(method, this.properties, instead)
  }

  /** @throws ImproperlyConfigured for rows that the database deletes without telling anybody */
  refuseCascade(name: string, instead: string): void {
    if (this.cleaned !== undefined) throw cascades(name, this.cleaned, instead)
  }
}

/** Rows of one table that have to be read at most to count those that name a file. */
export const mostUses = 100

/**
 * Number of rows that name the file as it is spelt: databases may compare without regard to case, and
 * storages do not.
 *
 * @param rows those that the database takes for equal, {@link mostUses} at most
 */
export function countUses(
  rows: readonly object[],
  properties: readonly string[],
  name: string,
): number {
  // There may be more of them.
  if (rows.length >= mostUses) return rows.length
  return rows.filter(row => properties.some(property => Reflect.get(row, property) === name)).length
}

/** All tables of a database whose rows have files; a file of one may be named by rows of another. */
export class FileModels<Handle> {
  readonly #models = new Map<unknown, readonly [handle: Handle, model: FileModel]>()

  /** @param key says which table it is, where several handles stand for one */
  add(handle: Handle, model: FileModel, key: unknown = handle): void {
    this.#models.set(key, [handle, model])
  }

  of(key: unknown): FileModel | undefined {
    return this.#models.get(key)?.[1]
  }

  *[Symbol.iterator](): Iterator<readonly [handle: Handle, model: FileModel]> {
    yield* this.#models.values()
  }

  /**
   * Number of rows that name a file.
   *
   * @param count of the rows of one table that have the name in one of some properties
   */
  async uses(
    storage: unknown,
    count: (handle: Handle, properties: readonly string[]) => Promise<number>,
  ): Promise<number> {
    let total = 0
    for (const [handle, { fields, properties }] of this) {
      const own = properties.filter(property => fields[property]?.storage === storage)
      if (own.length > 0) total += await count(handle, own)
    }
    return total
  }

  /**
   * @param database as the ORM calls it
   * @param others further tables whose rows take files along
   * @throws UnsupportedError for a statement that goes past the rows and would leave files behind
   */
  refuseStatement(
    sql: string,
    database: string,
    instead: string,
    others?: () => Iterable<FiledTable>,
  ): void {
    refuseStatement(sql, database, this.#tables(others), instead)
  }

  /** Each once: a table may stand in several schemas. */
  *#tables(others: (() => Iterable<FiledTable>) | undefined): Generator<FiledTable> {
    const seen = new Set<FileModel>()
    for (const [, model] of this) {
      if (!seen.has(model)) yield model
      seen.add(model)
    }
    if (others !== undefined) yield* others()
  }
}
