import { columnName, FieldFile } from '../../fields/field-file.ts'

export type Values = Record<string, unknown>

/** Of Prisma's model of the data, as much as is needed here. */
export interface DataModel {
  readonly models: Readonly<Record<string, ModelShape>>
}

export interface ModelShape {
  /** Of its table, where that is another one. */
  readonly dbName?: string | null
  readonly fields: readonly { name: string; kind: string; type: string; dbName?: string | null }[]
}

export interface Delegate {
  count(args: Values): Promise<number>
  findUnique(args: Values): Promise<Values | null>
  update(args: Values): Promise<unknown>
  updateMany(args: Values): Promise<{ readonly count: number }>
}

/** Of Prisma's client, as much as is needed here. */
export interface Client {
  readonly _runtimeDataModel: DataModel
  readonly _engineConfig: { readonly inlineSchema?: unknown; readonly activeProvider?: unknown }
  $extends(extension: object): Client
  $transaction(work: unknown, options?: unknown): Promise<unknown>
}

export type Transact = Client['$transaction']

/** What an extension of queries is called with. */
export interface Query {
  readonly model: string
  readonly operation: string
  readonly args: Values
  readonly query: (args: Values) => Promise<unknown>
  readonly __internalParams?: {
    readonly transaction?: { readonly kind: string } | undefined
    /** Of a relation that is asked for as a method of another query: what is given is its rows. */
    readonly dataPath?: readonly string[]
  }
}

/** A query in the words of the database. */
export interface RawQuery {
  readonly args: unknown
  readonly query: (args: unknown) => Promise<unknown>
}

export const rawOperations = [
  '$executeRaw',
  '$executeRawUnsafe',
  '$queryRaw',
  '$queryRawUnsafe',
] as const

/** The text of a raw query: a template's, or a plain one with its values behind it. */
export function statementOf(args: unknown): string {
  const [first] = Array.isArray(args) ? args : [args]
  return typeof first === 'string'
    ? first
    : [Reflect.get(Object(first), 'strings')].flat().join('?')
}

/** Name of a model's member of the client. */
export function memberOf(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1)
}

/** The name in a file column of a row, whether it is a file by now or not. */
export function text(value: unknown): string | null {
  if (value instanceof FieldFile) return value[columnName] ?? ''
  return typeof value === 'string' ? value : null
}

export function valuesOf(value: unknown): Values {
  return isValues(value) ? value : {}
}

export function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
