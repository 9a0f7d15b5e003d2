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
import { countUses, FileModel, FileModels, mostUses } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { RowWrites } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { dialectOf } from '../../fields/sql-dialects.ts'
import { refuseUnstored } from '../../fields/statements.ts'
import { SourceConnections } from './connections.ts'
import { RowLocks } from './locks.ts'
import { OwnStatements } from './own-statements.ts'
import { ownColumn, refuseEmbedded, refuseHidden } from './refusals.ts'
import {
  lastManager,
  type Prototype,
  type Registration,
  register,
  registrationOf,
  rememberManager,
  sourcesKey,
} from './registration.ts'
import { columnsOf, entityOf, placeOf, refreshRow, selectNames, showColumns } from './rows.ts'
import { followValues } from './values.ts'

/**
 * Lets the file columns of a data source follow its rows and transactions. Call it once, before or
 * after `initialize()`.
 *
 * @throws ImproperlyConfigured for a row that the database deletes by itself (`ON DELETE CASCADE`)
 */
export async function registerFiles(source: DataSource): Promise<void> {
  if (registrationOf(source) !== undefined) return
  const files = new SourceFiles(source)
  if (source.isInitialized) files.follow()
  register(files)
  const initialize = source.initialize
  source.initialize = async () => {
    await initialize.call(source)
    try {
      files.follow()
    } catch (error) {
      await source.destroy()
      throw error
    }
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
  readonly #connections: SourceConnections
  readonly #locks: RowLocks
  readonly #writes = new RowWrites<ObjectLiteral>()
  readonly #statements = new OwnStatements()
  /** Those of the metadata that `initialize()` has made last. */
  #models = new FileModels<EntityMetadata>()
  /** Entities made for rows that are removed and were never loaded, by their keys. */
  readonly #lost = new WeakMap<QueryRunner, Map<string, ObjectLiteral>>()
  /** Entities that stand for plain objects, which `save()` and `remove()` take too. */
  readonly #standIns = new WeakMap<ObjectLiteral, ObjectLiteral>()
  /** The row whose columns TypeORM is filling with what the database has. */
  #loading: ObjectLiteral | undefined

  constructor(source: DataSource) {
    this.source = source
    this.#connections = new SourceConnections(source, this.isSqlite, {
      onStream: (queryRunner, query, parameters) =>
        this.beforeQuery({ query, parameters, queryRunner }),
      onEnd: runner => {
        this.#statements.forget(runner)
        this.#lost.delete(runner)
      },
    })
    this.#locks = new RowLocks(this.#connections, !this.isSqlite)
    this.#connections.follow()
  }

  get isSqlite(): boolean {
    return dialectOf(this.source.options.type) === 'sqlite'
  }

  /** A transaction settles first, whatever other subscribers make of its end; what they give rows is stored last. */
  follow(): void {
    this.#models = new FileModels()
    for (const metadata of this.source.entityMetadatas) this.#add(metadata)
    this.source.subscribers.unshift(this.#connections)
    this.source.subscribers.push(this)
  }

  /** The manager that a row is written with. */
  managerOf(row: object): EntityManager {
    const running = this.#connections.manager
    if (running !== this.source.manager) return running
    const last = lastManager(row)
    const runner = last?.dataSource === this.source ? last.queryRunner : undefined
    const isFree = runner !== undefined && this.#connections.isFree(runner)
    return (isFree ? last : undefined) ?? this.source.manager
  }

  scopeOf(runner: QueryRunner | undefined): FileScope | undefined {
    return this.#connections.scopeOf(runner)
  }

  async uses(storage: unknown, name: string): Promise<number> {
    return await this.#connections.ask(runner => this.#count(runner, storage, name))
  }

  async #count({ manager }: QueryRunner, storage: unknown, name: string): Promise<number> {
    return await this.#models.uses(
      storage,
      async ({ target, parentEntityMetadata }, properties) => {
        // Rows of a child entity are in the table of its parent, and counted there.
        const parents = this.#models.of(parentEntityMetadata)?.fields ?? {}
        const own = properties.filter(property => !(property in parents))
        if (own.length === 0) return 0
        const named = own.map(property => `row.${property} = :name`).join(' OR ')
        const rows = selectNames(manager, target, own).where(named, { name })
        return countUses(await rows.limit(mostUses).getRawMany<ObjectLiteral>(), own, name)
      },
    )
  }

  async beforeInsert(event: InsertEvent<ObjectLiteral>): Promise<void> {
    const files = this.#models.of(event.metadata)
    if (files === undefined) return
    const row = this.#rowOf(event.metadata, event.entity)
    if (lastManager(row)?.dataSource === this.source) await this.#refuseGone(event, row)
    const stored = await this.#store(event, event.entity)
    this.#statements.announceFiles(event.queryRunner, stored)
  }

  async beforeUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> {
    const { metadata, queryRunner, databaseEntity, entity } = event
    const files = this.#models.of(metadata)
    if (files === undefined) return
    if (databaseEntity === undefined || entity === undefined) {
      files.refuseWrite(entity, 'update()', 'save() of the loaded entities')
      return
    }
    const row = this.#rowOf(metadata, entity)
    const previous = await this.#locks.lock(event, databaseEntity)
    if (previous === undefined) throw vanished(metadata.tableName)
    Object.assign(databaseEntity, previous.columns)
    for (const [column, name] of previous.names) {
      // A plain object that names the file which the row has anyway.
      if (row !== entity && column.column(row) === name) column.load(row, name)
      refreshRow(row, column, name, databaseEntity)
      // A new file may get the name of one that others have taken from the row meanwhile.
      column.load(databaseEntity, name)
    }
    this.#writes.begin(row, previous.names)
    await this.#store(event, entity)
    // As TypeORM compares them: a statement that never comes would let another one pass.
    const isWritten = columnsOf(metadata).some(column => {
      const name = column.value(row)
      return name !== undefined && name !== column.value(databaseEntity)
    })
    if (isWritten) this.#statements.announce(queryRunner, 'UPDATE', metadata)
  }

  async beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> {
    const { metadata, queryRunner, databaseEntity } = event
    const files = this.#models.of(metadata)
    if (files === undefined) return
    const given = this.#removedRow(event)
    if (given === undefined) {
      files.refuseDeletion('delete()', 'remove() of the loaded entities')
      return
    }
    const row = this.#rowOf(metadata, given)
    rememberManager(row, event.manager)
    const previous = await this.#locks.lock(event, databaseEntity ?? given)
    this.#writes.begin(row, previous?.names ?? new Map())
    this.#statements.announce(queryRunner, 'DELETE FROM', metadata)
  }

  async afterInsert(event: InsertEvent<ObjectLiteral>): Promise<void> {
    const row = this.#known(event.entity)
    const names = columnsOf(event.metadata).map(column => column.column(row))
    this.#statements.takeFiles(event.queryRunner, names)
    await this.#written(event, event.entity)
  }

  async afterUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> {
    if (event.databaseEntity !== undefined) await this.#written(event, event.entity)
  }

  async afterRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> {
    const { metadata, queryRunner } = event
    const columns = columnsOf(metadata)
    const given = columns.length === 0 ? undefined : this.#removedRow(event)
    if (given === undefined) return
    const scope = this.scopeOf(queryRunner)
    await this.#connections.settling(queryRunner, () =>
      this.#writes.deleted(this.#known(given), columns, scope),
    )
  }

  /** What goes past the entities, as query builders and raw SQL do. */
  beforeQuery({ query, parameters, queryRunner }: BeforeQuery): void {
    refuseUnstored(
      parameters,
      'save() without listeners, or of content that a subscriber has given after an await,',
      'save() with its listeners, and give content before the first await',
    )
    if (this.#statements.mayLeaveOut(queryRunner, query, parameters))
      throw bypass('insert() that may leave rows out', ['the row'], 'save()')
    if (!this.#statements.take(queryRunner, query))
      this.#models.refuseStatement(
        query,
        this.source.options.type,
        'save() and remove() of the loaded entities',
      )
  }

  #add(metadata: EntityMetadata): void {
    if (typeof metadata.target !== 'function') return
    refuseEmbedded(metadata)
    const columns = columnsOf(metadata).map(file => [ownColumn(metadata, file), file] as const)
    if (columns.length === 0) return
    refuseHidden(metadata, columns)
    const prototype: Prototype = metadata.target.prototype
    const others = [...(prototype[sourcesKey] ?? [])].filter(({ source }) => source.isInitialized)
    prototype[sourcesKey] = new Set([...others, this])
    for (const [column, file] of columns) followValues(column, file, row => row === this.#loading)
    const named = columns.map(([{ databaseName: column }, { property, field }]) => {
      return { property, field, column }
    })
    const place = placeOf(metadata)
    const files = new FileModel(metadata.tableName, named, place.schema, place.others)
    this.#models.add(metadata, files)
    const { foreignKeys, parentEntityMetadata: parent } = metadata
    const all = [...foreignKeys, ...(parent?.foreignKeys ?? [])]
    if (all.some(({ onDelete }) => onDelete === 'CASCADE'))
      files.refuseCascade(`"${metadata.tableName}"`, 'remove the rows before their parent')
    const { create } = metadata
    metadata.create = (runner, options) => {
      const row = create.call(metadata, runner, options)
      rememberManager(row, runner?.manager ?? this.source.manager)
      // Said of what is read alone.
      if (options?.pojo === false) this.#load(row)
      return row
    }
  }

  /** A result is made rows of without a pause. */
  #load(row: ObjectLiteral): void {
    if (this.#loading === undefined)
      queueMicrotask(() => {
        this.#loading = undefined
      })
    this.#loading = row
  }

  /** A row that was read, and that others have deleted since, would come back with the name of a file that is gone. */
  async #refuseGone({ metadata, queryRunner }: WriteEvent, row: ObjectLiteral): Promise<void> {
    for (const column of columnsOf(metadata)) {
      const { storage, default: unused, onDelete } = column.field
      const name = column.isAsRead(row) ? column.column(row) : undefined
      if (!name || name === unused) continue
      if (this.scopeOf(queryRunner)?.isLeaving(storage, name) === true) continue
      // It may be there for a moment more.
      const count = () => this.#count(queryRunner, storage, name)
      const isNamed =
        onDelete === 'keep' || (await this.#connections.inTurn(queryRunner, count)) > 0
      if (!isNamed || !(await storage.exists(name))) throw vanished(metadata.tableName)
    }
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

  /** The row before it is written. */
  #rowOf(metadata: EntityMetadata, given: ObjectLiteral): ObjectLiteral {
    const row = entityOf(metadata, given)
    if (row !== given) this.#standIns.set(given, row)
    return row
  }

  /** The same after it was written. */
  #known(given: ObjectLiteral): ObjectLiteral {
    return this.#standIns.get(given) ?? given
  }

  /** @returns names of the new files */
  async #store(
    event: WriteEvent,
    given: ObjectLiteral,
  ): Promise<readonly (string | null | undefined)[]> {
    const row = this.#known(given)
    const columns = columnsOf(event.metadata)
    rememberManager(row, event.manager)
    // Subscribers that stand behind this one may give the row files, too.
    await Promise.resolve()
    const waiting = columns.filter(column => column.column(row) === pendingName)
    const scope = this.scopeOf(event.queryRunner)
    if (scope !== undefined) {
      await this.#writes.store(row, columns, scope)
      if (row !== given) showColumns(columns, row, given)
      return waiting.map(column => column.column(row))
    }
    if (waiting.length > 0)
      throw bypass(
        'insert(), or save() without a transaction,',
        waiting.map(({ property }) => property),
        'save(), which has a transaction',
      )
    return []
  }

  async #written(event: WriteEvent, given: ObjectLiteral | undefined): Promise<void> {
    const { metadata, queryRunner } = event
    const columns = columnsOf(metadata)
    if (columns.length === 0 || given === undefined) return
    const scope = this.scopeOf(queryRunner)
    await this.#connections.settling(queryRunner, () =>
      this.#writes.written(this.#known(given), columns, scope),
    )
  }
}
