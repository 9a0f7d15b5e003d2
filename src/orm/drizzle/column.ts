import { is } from 'drizzle-orm'
import { MySqlDatabase, MySqlTable, customType as mysqlType } from 'drizzle-orm/mysql-core'
import { PgDatabase, PgTable, customType as pgType } from 'drizzle-orm/pg-core'
import { BaseSQLiteDatabase, customType as sqliteType } from 'drizzle-orm/sqlite-core'
import type { FieldFile } from '../../fields/field-file.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import { followTransactions } from './transactions.ts'

declare const nameKey: unique symbol
declare const fileKey: unique symbol

/**
 * Name of a file, as `db.select()` gives it. Only `fileTable` writes it: a statement that went past
 * it would leave files behind, and does not compile.
 *
 * @typeParam F the file that a row has in its place
 */
export type FileName<F = never> = string & FileNameMark<F>

/** What tells a name of a file from other text. */
export interface FileNameMark<F> {
  readonly [nameKey]: true
  readonly [fileKey]?: F
}

/** The file that a row has where a column has its name. */
export type FileOfName<N> = N extends { readonly [fileKey]?: infer F }
  ? Extract<F, FieldFile>
  : FieldFile

/** A name for conditions: `eq(users.avatar, fileName('me.png'))`. */
export function fileName(name: string): FileName {
  return name as FileName
}

/** A column for tables of PostgreSQL, MySQL and SQLite alike; never null, `''` stands for no file. */
export interface FileColumnBuilder<F extends FieldFile = FieldFile, N extends string = ''> {
  readonly _: {
    readonly brand: 'ColumnBuilder'
    name: N
    dataType: 'custom'
    columnType: 'StowageFile'
    data: FileName<F>
    driverParam: string
    enumValues: undefined
    notNull: true
    hasDefault: true
    isPrimaryKey: false
    isAutoincrement: false
    hasRuntimeDefault: false
    identity: undefined
    generated: undefined
    dialect: never
  }
}

/** Fields by their column; Drizzle makes columns of builders, and nothing else survives that. */
export const fieldKey: unique symbol = Symbol('stowage.drizzle.field')

/** A file column: `avatar: fileColumn(field)` in a table, or `fileColumn('avatar_path', field)`. */
export function fileColumn<F extends FileField>(field: F): FileColumnBuilder<ReturnType<F['file']>>
export function fileColumn<F extends FileField, N extends string>(
  name: N,
  field: F,
): FileColumnBuilder<ReturnType<F['file']>, N>
export function fileColumn(
  ...given: readonly [field: FileField] | readonly [name: string, field: FileField]
): FileColumnBuilder<FieldFile, string> {
  const [name, field] = given.length === 1 ? ['', given[0]] : given
  checkField('fileColumn()', field)
  // A transaction may begin before its first fileTable is made.
  for (const { prototype } of [PgDatabase, MySqlDatabase, BaseSQLiteDatabase])
    followTransactions(prototype)
  const { maxLength } = field
  const params = { dataType: () => `varchar(${maxLength})` }
  const types = [
    pgType(params)(name),
    mysqlType(params)(name),
    sqliteType({ dataType: () => 'text' })(name),
  ]
  const builders = types.map(type => type.notNull().default(field.default ?? ''))
  const [pg, mysql, sqlite] = builders
  // Which table it is for turns out when that is built, and the right one then takes its place.
  return new Proxy(Object(sqlite), {
    get(_target, method) {
      return (...args: unknown[]) => {
        const table = args.find(arg => is(arg, PgTable) || is(arg, MySqlTable))
        const own = table === undefined ? sqlite : is(table, PgTable) ? pg : mysql
        const chosen = method === 'setName' ? builders : [own]
        const results = chosen.map(builder =>
          Reflect.apply(Reflect.get(Object(builder), method), builder, args),
        )
        if (method === 'build') Object.assign(Object(results[0]), { [fieldKey]: field })
        return results[0]
      }
    },
  })
}
