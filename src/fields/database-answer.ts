import { StorageError } from '../core/errors.ts'

/** What drivers of databases call a connection that is gone, or that answers no more. */
const lostCodes: ReadonlySet<unknown> = new Set([
  // Node, undici
  'ECONNABORTED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETRESET',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'UND_ERR_SOCKET',
  // mysql2, mariadb
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'ER_CMD_CONNECTION_CLOSED',
  'ER_CONNECTION_KILLED',
  'ER_SOCKET_UNEXPECTED_CLOSE',
  // postgres.js
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  // libsql
  'HRANA_CLOSED_ERROR',
  'HRANA_WEBSOCKET_ERROR',
  // mssql, tedious
  'ECONNCLOSED',
  'ESOCKET',
  'ETIMEOUT',
  // oracledb
  'NJS-500',
  'NJS-503',
  'ORA-03113',
  'ORA-03114',
  // Prisma
  'P1001',
  'P1002',
  'P1008',
  'P1017',
])

/** Connection exceptions, "statement completion unknown", and servers that are shut down. */
const lostStates = /^(?:08|40003|57P)/
const lostNames = /^MongoNetwork|^MongoServerSelection|^MongoPoolCleared/
/** Where a driver gives its error no code: pg, and what wraps others. */
const lostMessages =
  /connection (?:has |was |is |been |already |unexpectedly )*(?:terminated|closed|lost|ended|killed|reset)|(?:lost|closed|terminating) (?:the )?connection|server has (?:gone away|closed)|socket (?:hang up|has unexpectedly|disconnected)|connection error and is not queryable|query read timeout/i

/** Prisma, of a commit. */
const answeredKinds = /^TransactionWriteConflict$|Violation$/
const answeredCodes = /^(?:SQLITE_|ER_|ORA-|EREQUEST$|P[1-9]\d{3}$)/

/**
 * What an error says of a statement: `answered`, the database has refused it; `lost`, nobody knows
 * whether the database carries it out; `undefined` for an error of something else.
 */
export function databaseAnswer(error: unknown): 'answered' | 'lost' | undefined {
  const links = [...chain(error)]
  // What became of a file is no word of the database.
  if (links.some(link => link instanceof StorageError)) return undefined
  if (links.some(isLost)) return 'lost'
  return links.some(isAnswered) ? 'answered' : undefined
}

/** As much as is looked at here of what drivers and ORMs throw. */
interface DriverError {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly sqlState?: unknown
  /** mysql2 and mariadb: the connection is lost. */
  readonly fatal?: unknown
  readonly errorLabels?: unknown
  readonly cause?: unknown
  /** Sequelize */
  readonly original?: unknown
  /** TypeORM */
  readonly driverError?: unknown
  /** Prisma */
  readonly meta?: { readonly driverAdapterError?: unknown }
  readonly kind?: unknown
}

/** An error, and those that it was made of. */
function* chain(error: unknown, seen: Set<unknown> = new Set()): Generator<DriverError> {
  if (typeof error !== 'object' || error === null || seen.has(error)) return
  seen.add(error)
  const link: DriverError = error
  yield link
  const { cause, original, driverError, meta } = link
  for (const inner of [cause, original, driverError, meta?.driverAdapterError])
    yield* chain(inner, seen)
}

function isLost(error: DriverError): boolean {
  const { name, message, code, fatal } = error
  if (lostCodes.has(code) || fatal === true) return true
  if (
    Array.isArray(error.errorLabels) &&
    error.errorLabels.includes('UnknownTransactionCommitResult')
  )
    return true
  const state = stateOf(error)
  if (state !== undefined) return lostStates.test(state)
  return lostNames.test(String(name)) || lostMessages.test(String(message))
}

function isAnswered(error: DriverError): boolean {
  const { code, kind } = error
  if (stateOf(error) !== undefined) return true
  return answeredCodes.test(String(code)) || answeredKinds.test(String(kind))
}

/** SQLSTATE, which pg calls `code`. */
function stateOf({ sqlState, code }: DriverError): string | undefined {
  const state = sqlState ?? code
  return typeof state === 'string' && /^(?!E|P[1-9])[0-9A-Z]{5}$/.test(state) ? state : undefined
}
