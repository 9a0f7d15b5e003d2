import { join } from 'node:path'
import { LibSqlDriver } from '@mikro-orm/libsql'
import { testAdapter } from './adapter-suite.ts'
import { openMikroOrm } from './harness/mikro-orm.ts'
import { withFolder } from './harness/with-folder.ts'

testAdapter('MikroORM on SQLite', {
  open: fields =>
    withFolder(folder =>
      openMikroOrm({ driver: LibSqlDriver, dbName: join(folder, 'db') }, fields),
    ),
})
