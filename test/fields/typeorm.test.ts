import libsql from 'libsql'
import { testAdapter } from './adapter-suite.ts'
import { openTypeorm } from './harness/typeorm.ts'

testAdapter('TypeORM on SQLite', {
  open: async fields =>
    await openTypeorm({ type: 'better-sqlite3', database: ':memory:', driver: libsql }, fields),
})
