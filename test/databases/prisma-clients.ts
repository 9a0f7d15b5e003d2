import { execFile } from 'node:child_process'
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'
import type { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import type { Kind } from './place.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Names of the databases in Prisma's words. */
const providers: Readonly<Record<Kind, string>> = { postgres: 'postgresql', mariadb: 'mysql' }

interface ClientModule {
  readonly PrismaClient: typeof PrismaClient
}

/** Prisma's client of the test's schema for another database; each is generated once. */
export async function clientOf(kind: Kind): Promise<typeof PrismaClient> {
  const module: ClientModule = await import(pathToFileURL(clientPath(kind)).href)
  return module.PrismaClient
}

/** Generates the clients that are not there yet; Vitest calls it before all files. */
export async function setup(): Promise<void> {
  for (const kind of ['postgres', 'mariadb'] as const) {
    const known = await access(clientPath(kind)).then(
      () => true,
      () => false,
    )
    if (!known) await generate(kind)
  }
}

/** Prisma would download an engine that generating does not need. */
async function generate(kind: Kind): Promise<void> {
  const schema = await readFile(join(root, 'test/fixtures/prisma/schema.prisma'), 'utf8')
  const own = join(folderOf(kind), 'schema.prisma')
  await mkdir(folderOf(kind), { recursive: true })
  await writeFile(own, schema.replace('provider = "sqlite"', `provider = "${providers[kind]}"`))
  await promisify(execFile)(join(root, 'node_modules/.bin/prisma'), ['generate', '--schema', own], {
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' },
  })
  // As JavaScript, which processes without Vitest can import, too.
  const input = join(folderOf(kind), 'generated/client.ts')
  const bundle = await rolldown({ input, platform: 'node', external: /^@prisma\// })
  await bundle.write({ file: clientPath(kind) })
  await bundle.close()
}

function clientPath(kind: Kind): string {
  return join(folderOf(kind), 'client.mjs')
}

function folderOf(kind: Kind): string {
  return join(root, '.tmp/prisma', kind)
}
