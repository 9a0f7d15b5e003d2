import { createConnection } from 'mysql2/promise'
import pg from 'pg'

/** A database of its own on one of the servers that `scripts/databases/start.sh` starts. */
export interface Place {
  readonly kind: Kind
  readonly url: string
}

export type Kind = 'postgres' | 'mariadb'

/** What each server is called, and where it is. */
const servers: Readonly<Record<Kind, { readonly label: string; readonly variable: string }>> = {
  postgres: { label: 'PostgreSQL', variable: 'POSTGRES_URL' },
  mariadb: { label: 'MariaDB', variable: 'MARIADB_URL' },
}

export const kinds: readonly Kind[] = ['postgres', 'mariadb']

export function labelOf(kind: Kind): string {
  return servers[kind].label
}

let places = 0

export async function createPlace(kind: Kind): Promise<Place> {
  const name = `stowage_${process.pid}_${++places}`
  // MariaDB's own default takes names for equal that differ in case alone.
  const collation = kind === 'mariadb' ? ' COLLATE utf8mb4_general_ci' : ''
  await administer(kind, `CREATE DATABASE ${name}${collation}`)
  const url = new URL(serverUrl(kind))
  url.pathname = `/${name}`
  return { kind, url: url.href }
}

/** Drops the database, whoever is still connected to it. */
export async function dropPlace({ kind, url }: Place): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  await administer(kind, `DROP DATABASE ${name}${kind === 'postgres' ? ' WITH (FORCE)' : ''}`)
}

/** Runs a statement in a place, beside whatever is connected to it. */
export async function execute({ kind, url }: Place, sql: string): Promise<void> {
  if (kind === 'postgres') {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(sql)
    await client.end()
  } else {
    const connection = await createConnection({ uri: url, multipleStatements: true })
    await connection.query(sql)
    await connection.end()
  }
}

/** Ends all connections of others to a place, as a server that is restarted does. */
export async function disconnectAll(place: Place): Promise<void> {
  const name = new URL(place.url).pathname.slice(1)
  if (place.kind === 'postgres') {
    await administer(
      'postgres',
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    )
    return
  }
  const connection = await createConnection({ uri: serverUrl('mariadb') })
  const [rows] = await connection.query(
    'SELECT id FROM information_schema.processlist WHERE db = ?',
    [name],
  )
  for (const { id } of rows as { readonly id: number }[]) await connection.query(`KILL ${id}`)
  await connection.end()
}

async function administer(kind: Kind, sql: string): Promise<void> {
  await execute({ kind, url: serverUrl(kind) }, sql)
}

function serverUrl(kind: Kind): string {
  return required(servers[kind].variable)
}

/** @throws Error that says how to start what is missing */
export function required(variable: string): string {
  const value = process.env[variable]
  if (value !== undefined) return value
  throw new Error(
    `${variable} is not set: start the databases by scripts/databases/start.sh, and take from what it prints.`,
  )
}
