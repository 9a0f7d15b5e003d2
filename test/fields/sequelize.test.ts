import { join } from 'node:path'
import { Transaction } from 'sequelize'
import { testAdapter } from './adapter-suite.ts'
import { openSequelize } from './harness/sequelize.ts'
import { withFolder } from './harness/with-folder.ts'
import { sqlite3 } from './libsql-as-sqlite3.ts'

testAdapter('Sequelize on SQLite', {
  open: fields =>
    withFolder(folder =>
      openSequelize(
        {
          dialect: 'sqlite',
          dialectModule: sqlite3,
          storage: join(folder, 'db'),
          transactionType: Transaction.TYPES.IMMEDIATE,
        },
        fields,
      ),
    ),
})
