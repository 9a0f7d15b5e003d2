import type {
  DataSource,
  EntityManager,
  EntityMetadata,
  EntitySubscriberInterface,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
  UpdateEvent,
} from 'typeorm'
import { bypass, vanished } from '../../fields/bypass.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { type HeldNames, RowWrites } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { refuseUnstored } from '../../fields/statements.ts'
import {
  columnsKey,
  type Property,
  type Prototype,
  type Registration,
  sourcesKey,
} from './column.ts'
import { refuseEmbedded } from './embedded.ts'
import { SourceTransactions } from './transactions.ts'

/**
 * Lets the file columns of a data source follow its rows and transactions. Call it once, before or
 * after `initialize()`.
 *
 * @throws ImproperlyConfigured for a row that the database deletes by itself (`ON DELETE CASCADE`)
 */
export async function registerFiles(source: DataSource): Promise<void> {
  if (source.isInitialized) {
    new SourceFiles(source).register()
    return
  }
  const initialize = source.initialize
  source.initialize = async () => {
    await initialize.call(source)
    new SourceFiles(source).register()
    return source
  }
}

/** Of the events around a write. */
interface WriteEvent {
  readonly metadata: EntityMetadata
  readonly manager: EntityManager
  readonly queryRunner: QueryRunner
}

interface BeforeQuery {
  readonly query: string
  readonly parameters?: unknown
  readonly queryRunner: QueryRunner
}

/** The files of one data source. */
class SourceFiles implements EntitySubscriberInterface<ObjectLiteral>, Registration {
  readonly source: DataSource
  readonly #transactions: SourceTransactions
  readonly #managers = new WeakMap<object, EntityManager>()
  readonly #writes = new RowWrites<ObjectLiteral>()
  readonly #models = new FileModels<EntityMetadata>()
  /** Entities made for rows that are removed and were never loaded, by their keys. */
  readonly #lost = new WeakMap<QueryRunner, Map<string, ObjectLiteral>>()
  /** Runners that are between the events before and after a write of entities. */
  readonly #writing = new WeakSet<QueryRunner>()

  constructor(source: DataSource) {
    this.source = source
    this.#transactions = new SourceTransactions(source, runner => {
      this.#writing.delete(runner)
      this.#lost.delete(runner)
    })
  }

  get isSqlite(): boolean {
    return /sqlite|sqljs|capacitor|expo|cordova|nativescript/.test(this.source.options.type)
  }

  register(): void {
    for (const metadata of this.source.entityMetadatas) this.#add(metadata)
    this.source.subscribers.push(this)
    this.#transactions.follow()
  }

  /** The manager that a row is written with. */
  managerOf(row: object): EntityManager {
    const running = this.#transactions.manager
    if (running !== this.source.manager) return running
    const last = this.#managers.get(row)
    return last?.queryRunner?.isReleased === false ? last : this.source.manager
  }

  scopeOf(runner: QueryRunner | undefined): FileScope | undefined {
    return this.#transactions.scopeOf(runner)
  }

  async uses(storage: unknown, name: string): Promise<number> {
    return await this.#models.uses(
      storage,
      async ({ target, parentEntityMetadata }, properties) => {
        // Rows of a child entity are in the table of its parent, and counted there.
        const parents = this.#models.of(parentEntityMetadata)?.fields ?? {}
        const own = properties.filter(property => !(property in parents))
        if (own.length === 0) return 0
        const rows = this.#transactions.manager.createQueryBuilder(target, 'row').withDeleted()
        const named = own.map(property => `row.${property} = :name`).join(' OR ')
        return await rows.where(named, { name }).getCount()
      },
    )
  }

  async beforeInsert(event: InsertEvent<ObjectLiteral>): Promise<void> {
    await this.#store(event, event.entity)
  }

  async beforeUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> {
    const files = this.#models.of(event.metadata)
    if (files === undefined) return
    const row: ObjectLiteral | undefined = event.entity
    if (event.databaseEntity === undefined || row === undefined) {
      files.refuseWrite(row, 'update()', 'save() of the loaded entities')
      return
    }
    const previous = await this.#lock(event, event.databaseEntity)
    if (previous === undefined) throw vanished(event.metadata.tableName)
    this.#writes.begin(row, previous)
    await this.#store(event, row)
    this.#writing.add(event.queryRunner)
  }

  async beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> {
    const files = this.#models.of(event.metadata)
    if (files === undefined) return
    const row = this.#removedRow(event)
    if (row === undefined) {
      files.refuseDeletion('delete()', 'remove() of the loaded entities')
      return
    }
    this.#managers.set(row, event.manager)
    const previous = await this.#lock(event, event.databaseEntity ?? row)
    this.#writes.begin(row, previous ?? new Map())
    this.#writing.add(event.queryRunner)
  }

  async afterInsert(event: InsertEvent<ObjectLiteral>): Promise<void> {
    await this.#written(event, event.entity)
  }

  async afterUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> {
    this.#writing.delete(event.queryRunner)
    if (event.databaseEntity !== undefined) await this.#written(event, event.entity)
  }

  async afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> {
    this.#writing.delete(event.queryRunner)
    const columns = columnsOf(event.metadata)
    const row = columns.length === 0 ? undefined : this.#removedRow(event)
    if (row !== undefined) await this.#writes.deleted(row, columns, this.scopeOf(event.queryRunner))
  }

  /** What goes past the entities, as query builders and raw SQL do. */
  beforeQuery({ query, parameters, queryRunner }: BeforeQuery): void {
    refuseUnstored(parameters, 'save() without listeners', 'save() with its listeners')
    if (!this.#writing.has(queryRunner))
      this.#models.refuseStatement(query, 'save() and remove() of the loaded entities')
  }

  /** TypeORM reads and compares names, never files; what nobody has set is left as it is. */
  #add(metadata: EntityMetadata): void {
    if (typeof metadata.target !== 'function') return
    refuseEmbedded(metadata)
    const columns = columnsOf(metadata).flatMap(file => {
      const own = metadata.columns.filter(({ propertyName }) => propertyName === file.property)
      return own.map(column => [column, file] as const)
    })
    if (columns.length === 0) return
    const prototype: Prototype = metadata.target.prototype
    prototype[sourcesKey] = new Set([...(prototype[sourcesKey] ?? []), this])
    for (const [column, file] of columns)
      column.getEntityValue = row =>
        Object.hasOwn(row, file.property) ? row[file.property] : file.value(row)
    const named = columns.map(([{ databaseName: column }, { property, field }]) => {
      return { property, field, column }
    })
    const files = new FileModel(metadata.tableName, named)
    this.#models.add(metadata, files)
    if (metadata.foreignKeys.some(({ onDelete }) => onDelete === 'CASCADE'))
      files.refuseCascade(`"${metadata.tableName}"`, 'remove the rows before their parent')
  }

  /** One that another entity has lost (`orphanedRowAction`) is known by its key alone. */
  #removedRow(event: RemoveEvent<ObjectLiteral>): ObjectLiteral | undefined {
    const { metadata, queryRunner } = event
    // Typed as if it were always there.
    const entityId: unknown = event.entityId
    const known = event.entity ?? event.databaseEntity
    if (known !== undefined || entityId === undefined) return known
    const lost = this.#lost.get(queryRunner) ?? new Map<string, ObjectLiteral>()
    this.#lost.set(queryRunner, lost)
    const key = `${metadata.tablePath} ${JSON.stringify(entityId)}`
    const row = lost.get(key) ?? metadata.create()
    if (typeof entityId === 'object') Object.assign(row, entityId)
    else metadata.primaryColumns[0]?.setEntityValue(row, entityId)
    lost.set(key, row)
    return row
  }

  async #store(event: WriteEvent, row: ObjectLiteral): Promise<void> {
    const columns = columnsOf(event.metadata)
    if (columns.length > 0) this.#managers.set(row, event.manager)
    const scope = this.scopeOf(event.queryRunner)
    for (const column of columns) {
      // A plain object that insert() was given.
      const given: unknown = Object.hasOwn(row, column.property) ? row[column.property] : undefined
      const waits = column.column(row) === pendingName
      if (typeof given === 'object' || (waits && scope === undefined))
        throw bypass(
          'insert(), or save() of a plain object,',
          [column.property],
          'save(), which has a transaction, of an entity that create() has made',
        )
    }
    if (scope !== undefined) await this.#writes.store(row, columns, scope)
  }

  async #written(event: WriteEvent, row: ObjectLiteral | undefined): Promise<void> {
    const columns = columnsOf(event.metadata)
    if (columns.length > 0 && row !== undefined)
      await this.#writes.written(row, columns, this.scopeOf(event.queryRunner))
  }

  /** The names that the row has right now, if it is there, with a lock where the database has locks for rows. */
  async #lock(
    event: WriteEvent,
    row: ObjectLiteral,
  ): Promise<HeldNames<ObjectLiteral> | undefined> {
    const { metadata, manager } = event
    const id = metadata.getEntityIdMap(row)
    if (id === undefined) return undefined
    const names = columnsOf(metadata)
    const query = manager.createQueryBuilder(metadata.target, 'row').withDeleted().whereInIds(id)
    for (const [index, { property }] of names.entries()) {
      if (index === 0) query.select(`row.${property}`, 'file0')
      else query.addSelect(`row.${property}`, `file${index}`)
    }
    if (!this.isSqlite) query.setLock('pessimistic_write')
    const found = await query.getRawOne<Record<string, string | null>>()
    return found && new Map(names.map((column, index) => [column, found[`file${index}`] ?? null]))
  }
}

/** The file columns of an entity's rows. */
function columnsOf({ target }: EntityMetadata): readonly Property[] {
  if (typeof target !== 'function') return []
  return [...((target.prototype as Prototype)[columnsKey]?.values() ?? [])]
}
