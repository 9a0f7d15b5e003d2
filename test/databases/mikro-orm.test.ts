import { testDatabases } from './database-suite.ts'

testDatabases('mikroOrm')
