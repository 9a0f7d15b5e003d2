import { FieldFile } from '../../fields/field-file.ts'
import { columnName } from '../../fields/field-host.ts'

export type Values = Record<string, unknown>

/** Of Prisma's model of the data, as much as is needed here. */
export interface DataModel {
  readonly models: Readonly<Record<string, ModelShape>>
}

export interface ModelShape {
  /** Of its table, where that is another one. */
  readonly dbName?: string | null
  /** That its table is in, where the schema names several. */
  readonly schema?: string | null
  readonly fields: readonly { name: string; kind: string; type: string; dbName?: string | null }[]
}

/** What Prisma knows a transaction by; all queries of one (`itx`) have the same. */
export interface TransactionHandle {
  readonly kind: string
}

/** Begins when it is awaited, or put into a transaction. */
export interface PrismaPromise<T> extends PromiseLike<T> {
  requestTransaction(transaction: TransactionHandle): Promise<T>
}

export interface Delegate {
  count(args: Values): PrismaPromise<number>
  findMany(args: Values): PrismaPromise<Values[]>
  findUnique(args: Values): PrismaPromise<Values | null>
  findUniqueOrThrow(args: Values): PrismaPromise<Values>
  update(args: Values): PrismaPromise<unknown>
  updateMany(args: Values): PrismaPromise<{ readonly count: number }>
}

/** Of an extension of results: it gets these columns also where nobody is shown them. */
interface ComputedField {
  readonly needs: readonly string[]
}

/** Of Prisma's client, as much as is needed here. */
export interface Client {
  readonly _runtimeDataModel: DataModel
  readonly _engineConfig: {
    readonly inlineSchema?: unknown
    readonly activeProvider?: unknown
    readonly adapter?: { readonly options?: { readonly schema?: string } | undefined } | undefined
  }
  readonly _extensions: {
    getAllComputedFields(model: string): Readonly<Record<string, ComputedField>> | undefined
  }
  /** Columns by the members of their models. */
  readonly _globalOmit?: Readonly<Record<string, Values | undefined>> | undefined
  /** Without extensions: all that are made of it have the same; `_appliedParent` is the one with models. */
  readonly _originalClient: { readonly _appliedParent: Client }
  _createPrismaPromise<T>(work: (given?: TransactionHandle) => Promise<T>): PrismaPromise<T>
  $extends(extension: object): Client
  $queryRawUnsafe(sql: string, ...values: unknown[]): PrismaPromise<Values[]>
  $transaction(work: unknown, options?: unknown): Promise<unknown>
}

/** What an extension of queries is called with. */
export interface Query {
  readonly model: string
  readonly operation: string
  readonly args: Values
  readonly query: (args: Values) => PromiseLike<unknown>
  readonly __internalParams: {
    readonly transaction?: TransactionHandle | undefined
    /** Of a relation that is asked for as a method of another query: what is given is its rows. */
    readonly dataPath?: readonly string[]
    /** Called with what the database has given, before any extension sees it. */
    unpacker?: ((data: unknown) => unknown) | undefined
  }
}

/** A query in the words of the database. */
export type RawQuery = Pick<Query, '__internalParams'> & {
  readonly args: unknown
  readonly query: (args: unknown) => PromiseLike<unknown>
}

/**
 * Sends a query.
 *
 * @param onAnswer called when the database has carried it out: an extension behind may throw afterwards
 */
export async function send<A>(
  call: Pick<Query, '__internalParams'> & { query: (args: A) => PromiseLike<unknown> },
  args: A,
  onAnswer: () => void,
): Promise<unknown> {
  const params = call.__internalParams
  const { unpacker } = params
  params.unpacker = data => {
    onAnswer()
    return unpacker === undefined ? data : unpacker(data)
  }
  try {
    return await call.query(args)
  } finally {
    params.unpacker = unpacker
  }
}

export const rawOperations = [
  '$executeRaw',
  '$executeRawUnsafe',
  '$queryRaw',
  '$queryRawTyped',
  '$queryRawUnsafe',
] as const

/** The text of a raw query: of an object that Prisma has made, or a plain one with its values behind it. */
export function statementOf(args: unknown): string {
  const [first] = Array.isArray(args) ? args : [args]
  return typeof first === 'string' ? first : String(Reflect.get(Object(first), 'sql'))
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

/** A model's queries. */
export function delegateOf(client: Client, model: string): Delegate {
  return Reflect.get(client, memberOf(model)) as Delegate
}

export function valuesOf(value: unknown): Values {
  return isValues(value) ? value : {}
}

export function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Such as `{ increment: 1 }` and `{ gt: 1 }`, where a value could be. */
export function isOperation(value: unknown): value is Values {
  return isValues(value) && Object.getPrototypeOf(value) === Object.prototype
}
