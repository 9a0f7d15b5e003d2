import type { EntityManager, EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import type { HeldNames } from '../../fields/row-writes.ts'
import type { SourceConnections } from './connections.ts'
import { columnsOf, selectNames } from './rows.ts'

type Found = Record<string, string | null>
type Column = EntityMetadata['columns'][number]

/** What a row has in the database. */
interface Held {
  readonly names: HeldNames<ObjectLiteral>
  /** Further columns that follow from the files. */
  readonly columns: ObjectLiteral
}

/** Of the events before a write. */
interface LockEvent {
  readonly metadata: EntityMetadata
  readonly manager: EntityManager
  readonly queryRunner: QueryRunner
}

/** Rows that are asked for in one query: a `SELECT` for each would take most of the time of a `save()` of many. */
interface Batch {
  readonly rows: ObjectLiteral[]
  readonly found: Promise<ReadonlyMap<unknown, Held>>
}

const batchSize = 500

/** The names that rows have right before they are written, with a lock where the database has locks for rows. */
export class RowLocks {
  readonly #connections: SourceConnections
  readonly #hasLocks: boolean
  /** Those of this moment: TypeORM tells of all rows of a `save()` at once. */
  readonly #batches = new WeakMap<QueryRunner, Map<EntityMetadata, Batch>>()

  constructor(connections: SourceConnections, hasLocks: boolean) {
    this.#connections = connections
    this.#hasLocks = hasLocks
  }

  /** @returns `undefined` if the row is not there */
  async lock(event: LockEvent, row: ObjectLiteral): Promise<Held | undefined> {
    if (event.metadata.getEntityIdMap(row) === undefined) return undefined
    const key = keyOf(event.metadata)
    if (key === undefined) return await this.#one(event, row)
    const { found } = this.#batch(event, row, key)
    const held = (await found).get(comparable(key.getEntityValue(row)))
    // Databases write some keys in another way than they are given.
    return held ?? (await this.#one(event, row))
  }

  #batch(event: LockEvent, row: ObjectLiteral, key: Column): Batch {
    const { metadata, queryRunner } = event
    const batches = this.#batches.get(queryRunner) ?? new Map<EntityMetadata, Batch>()
    this.#batches.set(queryRunner, batches)
    let batch = batches.get(metadata)
    if (batch === undefined) {
      const rows: ObjectLiteral[] = []
      const found = Promise.resolve().then(() => {
        batches.delete(metadata)
        return this.#many(event, rows, key)
      })
      batch = { rows, found }
      batches.set(metadata, batch)
    }
    batch.rows.push(row)
    return batch
  }

  async #many(
    { metadata, ...event }: LockEvent,
    rows: readonly ObjectLiteral[],
    key: Column,
  ): Promise<Map<unknown, Held>> {
    const { driver } = event.queryRunner.dataSource
    const held = new Map<unknown, Held>()
    for (let start = 0; start < rows.length; start += batchSize) {
      const some = rows.slice(start, start + batchSize)
      for (const found of await this.#select({ metadata, ...event }, some)) {
        const value: unknown = driver.prepareHydratedValue(found[key.propertyName], key)
        held.set(comparable(value), heldIn(metadata, found))
      }
    }
    return held
  }

  async #one(event: LockEvent, row: ObjectLiteral): Promise<Held | undefined> {
    const [found] = await this.#select(event, [row])
    return found && heldIn(event.metadata, found)
  }

  async #select(event: LockEvent, rows: readonly ObjectLiteral[]): Promise<Found[]> {
    const { metadata, manager, queryRunner } = event
    const properties = columnsOf(metadata).map(({ property }) => property)
    properties.push(...followingColumns(metadata).map(({ propertyName }) => propertyName))
    const key = keyOf(metadata)
    if (key !== undefined) properties.push(key.propertyName)
    const query = selectNames(manager, metadata.target, properties)
    query.whereInIds(rows.map(row => metadata.getEntityIdMap(row)))
    if (this.#hasLocks) query.setLock('pessimistic_write')
    return await this.#connections.inTurn(queryRunner, () => query.getRawMany<Found>())
  }
}

/** What tells rows apart, if that is one plain column. */
function keyOf({ primaryColumns: [key, ...others] }: EntityMetadata): Column | undefined {
  const isPlain = key?.referencedColumn === undefined && key?.embeddedMetadata === undefined
  return isPlain && others.length === 0 ? key : undefined
}

/** Those that follow from the files of a row, such as the width of an image. */
function followingColumns(metadata: EntityMetadata): readonly Column[] {
  return columnsOf(metadata)
    .flatMap(({ field }) => Object.keys(field.emptyColumns))
    .flatMap(property => metadata.findColumnWithPropertyName(property) ?? [])
}

function heldIn(metadata: EntityMetadata, found: Found): Held {
  const { driver } = metadata.dataSource
  const names = columnsOf(metadata).map(column => [column, found[column.property] ?? null] as const)
  const columns = followingColumns(metadata).map(column => {
    const value: unknown = driver.prepareHydratedValue(found[column.propertyName], column)
    return [column.propertyName, value] as const
  })
  return { names: new Map(names), columns: Object.fromEntries(columns) }
}

function comparable(key: unknown): unknown {
  return typeof key === 'object' ? JSON.stringify(key) : key
}
