import { type ChangeSet, type EntityManager, LockMode, Utils } from '@mikro-orm/core'
import type { HeldNames } from '../../fields/row-writes.ts'
import { columnsOf, type Row } from './columns.ts'

export type Changes = readonly ChangeSet<Row>[]

/**
 * The names that rows have right now, with a lock where the database has locks for rows; those that are
 * gone are not among them. One query for as many rows as MikroORM writes by one.
 */
export async function lockRows(
  changes: Changes,
  em: EntityManager,
): Promise<ReadonlyMap<Row, HeldNames<Row>>> {
  const held = new Map<Row, HeldNames<Row>>()
  for (const chunk of chunksOf(changes, em.config.get('batchSize'))) {
    await lockChunk(chunk, em, held)
    // A key may be read in another form than it was given in.
    for (const change of chunk)
      if (chunk.length > 1 && !held.has(change.entity)) await lockChunk([change], em, held)
  }
  return held
}

async function lockChunk(
  chunk: Changes,
  em: EntityManager,
  held: Map<Row, HeldNames<Row>>,
): Promise<void> {
  const [first] = chunk
  if (first === undefined) return
  const { meta, schema } = first
  const columns = columnsOf(first.entity)
  const keys: readonly string[] = meta.primaryKeys
  const ctx = em.getTransactionContext()
  const where = { [Utils.getPrimaryKeyHash([...keys])]: { $in: chunk.map(keyOf) } }
  const found = await em.getDriver().find<Row>(meta.class, where as never, {
    ctx,
    schema,
    fields: columns.map(({ property }) => property) as never,
    orderBy: Object.fromEntries(keys.map(key => [key, 'asc'])) as never,
    connectionType: 'write',
    ...(ctx && { lockMode: LockMode.PESSIMISTIC_WRITE }),
  })
  const byKey = new Map(found.map(row => [textOf(keys.map(key => Reflect.get(row, key))), row]))
  for (const change of chunk) {
    const row = chunk.length === 1 ? found[0] : byKey.get(textOf(keyOf(change)))
    if (row === undefined) continue
    const names = columns.map(column => [column, nameIn(row, column.property)] as const)
    held.set(change.entity, new Map(names))
  }
}

/** Rows of one class and schema each. */
function* chunksOf(changes: Changes, size: number): Generator<Changes> {
  const groups = new Map<string, ChangeSet<Row>[]>()
  for (const change of changes) {
    const place = JSON.stringify([change.meta.uniqueName, change.schema])
    const group = groups.get(place) ?? []
    group.push(change)
    groups.set(place, group)
  }
  for (const group of groups.values())
    for (let i = 0; i < group.length; i += size) yield group.slice(i, i + size)
}

function keyOf(change: ChangeSet<Row>): unknown {
  return change.getPrimaryKey()
}

/** Drivers give large numbers as text. */
function textOf(key: unknown): string {
  return JSON.stringify([key].flat(Number.POSITIVE_INFINITY), (_, value: unknown) =>
    typeof value === 'number' || typeof value === 'bigint' ? String(value) : value,
  )
}

function nameIn(row: object, property: string): string | null {
  const name: unknown = Reflect.get(row, property)
  return typeof name === 'string' ? name : null
}
