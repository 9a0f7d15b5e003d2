import { MemoryStorage } from 'stowage'
import { FileField } from 'stowage/fields'
import { fileData, fileExtension } from 'stowage/prisma'
import { afterEach } from 'vitest'
import type { PrismaClient } from '../../fixtures/prisma/generated/client.ts'
import { openPrismaOnSqlite } from './prisma-sqlite.ts'

export const file = (name: string): string => fileData(new File([name], name))

const open: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

type Setup = Parameters<typeof openPrismaOnSqlite>[0]

/** Documents on SQLite with two columns of files, of which `default` has one without being asked. */
export async function setUp(options: Setup = {}, keeps: 'keep' | 'cleanup' = 'cleanup') {
  const { base, close } = await openPrismaOnSqlite(options)
  open.push(close)
  const storage = new MemoryStorage({})
  await storage.save('tests/default.txt', 'default')
  const behaviour = { storage, onDelete: keeps, onReplace: keeps } as const
  const normal = new FileField(behaviour)
  const other = new FileField({ ...behaviour, default: 'tests/default.txt' })
  const scan = new FileField(behaviour)
  const files = fileExtension({ document: { normal, default: other } })
  return {
    base,
    files,
    prisma: base.$extends(files),
    storage,
    scan,
    /** What is stored, but for the default file. */
    stored: async () => (await storage.listdir(''))[1],
    names: async () => await namesOf(base),
  }
}

async function namesOf(base: PrismaClient): Promise<string[]> {
  const select = { normal: true }
  const rows = await base.document.findMany({ select, orderBy: { id: 'asc' } })
  return rows.map(({ normal }) => normal)
}
