import { testDatabases } from './database-suite.ts'

testDatabases('prisma')
