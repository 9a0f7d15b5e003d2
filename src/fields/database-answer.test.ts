import { describe, expect, it } from 'vitest'
import { UnavailableError } from '../core/errors.ts'
import { databaseAnswer } from './database-answer.ts'

function error(message: string, rest: object = {}): Error {
  return Object.assign(new Error(message), rest)
}

describe('an error of a database', () => {
  it.each([
    ['pg, cut off', error('Connection terminated unexpectedly')],
    [
      'pg, used after that',
      error('Client has encountered a connection error and is not queryable'),
    ],
    ['pg, too slow', error('Query read timeout')],
    [
      'PostgreSQL, shut down',
      error('terminating connection', { code: '57P01', severity: 'FATAL' }),
    ],
    ['Node', error('read ECONNRESET', { code: 'ECONNRESET' })],
    ['Node, writing', error('write EPIPE', { code: 'EPIPE' })],
    ['mysql2', error('lost', { code: 'PROTOCOL_CONNECTION_LOST', fatal: true })],
    ['mariadb', error('(conn:1) socket', { sqlState: '08S01', errno: 45009, fatal: true })],
    [
      'a killed thread of MariaDB',
      error('killed', { sqlState: '70100', errno: 1927, fatal: true }),
    ],
    ['postgres.js', error('write CONNECTION_CLOSED', { code: 'CONNECTION_CLOSED' })],
    ['Prisma', error('Server has closed the connection.', { code: 'P1017' })],
    ['MongoDB', error('connection 3 to 127.0.0.1 closed', { name: 'MongoNetworkError' })],
    ['Sequelize', error('x', { original: error('y', { code: 'ECONNRESET' }) })],
    ['TypeORM', error('x', { driverError: error('Connection terminated') })],
    ['Drizzle', new Error('Failed query: commit', { cause: error('Connection terminated') })],
    ['a transaction of MongoDB', error('x', { errorLabels: ['UnknownTransactionCommitResult'] })],
  ])('of %s says that nobody knows what became of the statement', (_, given) => {
    expect(databaseAnswer(given)).toBe('lost')
  })

  it.each([
    ['PostgreSQL', error('could not serialize access', { code: '40001', severity: 'ERROR' })],
    ['a function of PostgreSQL', error('no', { code: 'P0001' })],
    [
      'MariaDB',
      error('Duplicate entry', { code: 'ER_DUP_ENTRY', sqlState: '23000', fatal: false }),
    ],
    ['SQLite', error('database is locked', { code: 'SQLITE_BUSY' })],
    ['Prisma', error('write conflict', { code: 'P2034' })],
    [
      'a commit of Prisma',
      error('TransactionWriteConflict', {
        cause: { originalCode: '40001', kind: 'TransactionWriteConflict' },
      }),
    ],
    [
      'a commit of Prisma on MariaDB',
      error('TransactionWriteConflict', {
        cause: { originalCode: '1213', kind: 'TransactionWriteConflict' },
      }),
    ],
    [
      'a constraint that Prisma meets at the commit',
      error('ForeignKeyConstraintViolation', {
        cause: { originalCode: '23503', kind: 'ForeignKeyConstraintViolation' },
      }),
    ],
    ['Drizzle', new Error('Failed query', { cause: error('x', { code: '23505' }) })],
  ])('of %s says that the statement is refused', (_, given) => {
    expect(databaseAnswer(given)).toBe('answered')
  })

  it.each([
    ['of the application', new Error('no')],
    ['of a file', error('EPERM', { code: 'EPERM' })],
    ['of a storage', new UnavailableError('reset', { cause: error('x', { code: 'ECONNRESET' }) })],
    ['that is none', 'connection lost'],
  ])('%s says nothing', (_, given) => {
    expect(databaseAnswer(given)).toBeUndefined()
  })

  it('may be made of itself', () => {
    const own = error('a')
    own.cause = own
    expect(databaseAnswer(own)).toBeUndefined()
  })
})
