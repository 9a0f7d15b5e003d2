import { AsyncLocalStorage } from 'node:async_hooks'
import {
  Column,
  type DataSource,
  type EntityManager,
  type EntityMetadata,
  type EntitySubscriberInterface,
  type InsertEvent,
  type ObjectLiteral,
  type QueryRunner,
  type RemoveEvent,
  type UpdateEvent,
} from 'typeorm'
import { ImproperlyConfigured } from '../core/errors.ts'
import { bypass, cascades, vanished } from '../fields/bypass.ts'
import type { FieldHost } from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { FileScope } from '../fields/lifecycle.ts'
import { type HeldNames, RowWrites } from '../fields/row-writes.ts'
import { FileProperty, pendingName, rowFields } from '../fields/rows.ts'
import { type FiledTable, refuseStatement, refuseUnstored } from '../fields/statements.ts'

type Property = FileProperty<ObjectLiteral>
/** File columns of an entity class, kept on its prototype. */
const columnsKey: unique symbol = Symbol('stowage.typeorm.columns')
/** Data sources that an entity class is registered with. */
const sourcesKey: unique symbol = Symbol('stowage.typeorm.sources')

interface Prototype {
  [columnsKey]?: ReadonlyMap<string, Property>
  [sourcesKey]?: ReadonlySet<SourceFiles>
  [rowFields]?: Readonly<Record<string, FileField>>
}

/**
 * Makes a property a file column: `@FileColumn(field) declare avatar: FieldFile`. The column is a
 * `varchar` that is never null; `''` stands for no file. `declare` is needed: a property that the
 * constructor defines would hide the accessor.
 */
export function FileColumn(field: FileField): PropertyDecorator {
  checkField('@FileColumn()', field)
  return (prototype: Prototype & object, key) => {
    const property = String(key)
    const column: Property = new FileProperty(property, field, (row, of) => new EntityHost(row, of))
    prototype[columnsKey] = new Map([...(prototype[columnsKey] ?? []), [property, column]])
    prototype[rowFields] = { ...prototype[rowFields], [property]: field }
    column.defineOn(prototype, { configurable: true })
    Column({ type: 'varchar', length: field.maxLength, default: field.default ?? '' })(
      prototype,
      key,
    )
  }
}

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

interface BeforeQuery {
  readonly query: string
  readonly parameters?: unknown
  readonly queryRunner: QueryRunner
}

/** The files of one data source. */
class SourceFiles implements EntitySubscriberInterface<ObjectLiteral> {
  readonly source: DataSource
  /** The manager of the transaction that `transaction()` is running. */
  readonly #manager = new AsyncLocalStorage<EntityManager>()
  readonly #scopes = new WeakMap<QueryRunner, FileScope[]>()
  readonly #managers = new WeakMap<object, EntityManager>()
  readonly #writes = new RowWrites<ObjectLiteral>()
  readonly #models = new Map<EntityMetadata, ReadonlyMap<string, Property>>()
  /** Entities made for rows that are removed and were never loaded, by their keys. */
  readonly #lost = new WeakMap<QueryRunner, Map<string, ObjectLiteral>>()
  readonly #tables: FiledTable[] = []
  /** Runners that are between the events before and after a write of entities. */
  readonly #writing = new WeakSet<QueryRunner>()

  constructor(source: DataSource) {
    this.source = source
  }

  get isSqlite(): boolean {
    return /sqlite|sqljs|capacitor|expo|cordova|nativescript/.test(this.source.options.type)
  }

  register(): void {
    for (const metadata of this.source.entityMetadatas) {
      if (typeof metadata.target !== 'function') continue
      const prototype: Prototype = metadata.target.prototype
      refuseEmbedded(metadata)
      const columns = prototype[columnsKey]
      if (columns === undefined) continue
      prototype[sourcesKey] = new Set([...(prototype[sourcesKey] ?? []), this])
      this.#models.set(metadata, columns)
      this.#registerModel(metadata, columns)
    }
    this.source.subscribers.push(this)
    const { manager } = this.source
    const transaction: EntityManager['transaction'] = manager.transaction
    type Run = (manager: EntityManager) => Promise<unknown>
    const inside = (run: Run): Run => {
      return own => this.#manager.run(own, () => run(own))
    }
    manager.transaction = async (...args: unknown[]) => {
      let runner: QueryRunner | undefined
      const run = (argument: unknown): unknown => {
        if (typeof argument !== 'function') return argument
        return inside(async own => {
          runner = own.queryRunner
          return await argument(own)
        })
      }
      try {
        return await Reflect.apply(transaction, manager, args.map(run))
      } finally {
        await this.#leaveAll(runner)
      }
    }
  }

  /** Of the transaction that is running here, or of none: what others see. */
  get currentManager(): EntityManager {
    const running = this.#manager.getStore()
    return running?.queryRunner?.isReleased === false ? running : this.source.manager
  }

  /** The manager that a row is written with. */
  managerOf(row: object): EntityManager {
    const running = this.currentManager
    if (running !== this.source.manager) return running
    const last = this.#managers.get(row)
    return last?.queryRunner?.isReleased === false ? last : this.source.manager
  }

  scopeOf(runner: QueryRunner | undefined): FileScope | undefined {
    return runner && this.#scopes.get(runner)?.at(-1)
  }

  async uses(manager: EntityManager, storage: unknown, name: string): Promise<number> {
    let count = 0
    for (const [{ target, parentEntityMetadata: parent }, columns] of this.#models) {
      for (const { property, field } of columns.values()) {
        // Rows of a child entity are in the table of its parent, and counted there.
        if (field.storage !== storage || this.#models.get(parent)?.has(property) === true) continue
        const rows = manager.createQueryBuilder(target, 'row').withDeleted()
        count += await rows.where(`row.${property} = :name`, { name }).getCount()
      }
    }
    return count
  }

  afterTransactionStart({ queryRunner }: { queryRunner: QueryRunner }): void {
    const scopes = this.#scopes.get(queryRunner) ?? []
    this.#scopes.set(queryRunner, [...scopes, new FileScope(scopes.at(-1))])
  }

  async afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): Promise<void> {
    await this.#leave(queryRunner)?.commit()
  }

  async afterTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): Promise<void> {
    await this.#leave(queryRunner)?.rollback()
  }

  async beforeInsert(event: InsertEvent<ObjectLiteral>): Promise<void> {
    const columns = this.#models.get(event.metadata)
    if (columns === undefined) return
    await this.#store(event, event.entity, columns)
  }

  async beforeUpdate(event: UpdateEvent<ObjectLiteral>): Promise<void> {
    const columns = this.#models.get(event.metadata)
    if (columns === undefined) return
    const row: ObjectLiteral | undefined = event.entity
    if (event.databaseEntity === undefined || row === undefined) {
      const touched = [...columns.keys()].filter(name => row !== undefined && name in row)
      if (touched.length > 0) throw bypass('update()', touched, 'save() of the loaded entities')
      return
    }
    const previous = await this.#lock(event, event.databaseEntity, columns)
    if (previous === undefined) throw vanished(event.metadata.tableName)
    this.#writes.begin(row, previous)
    await this.#store(event, row, columns)
    this.#writing.add(event.queryRunner)
  }

  async beforeRemove(event: RemoveEvent<ObjectLiteral>): Promise<void> {
    const columns = this.#models.get(event.metadata)
    if (columns === undefined) return
    const row = this.#removedRow(event)
    if (row !== undefined) {
      this.#managers.set(row, event.manager)
      const previous = await this.#lock(event, event.databaseEntity ?? row, columns)
      this.#writes.begin(row, previous ?? new Map())
      this.#writing.add(event.queryRunner)
    } else if ([...columns.values()].some(({ field }) => field.onDelete === 'cleanup'))
      throw bypass('delete()', [...columns.keys()], 'remove() of the loaded entities')
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
    const row = this.#removedRow(event)
    const columns = this.#models.get(event.metadata)
    if (row === undefined || columns === undefined) return
    await this.#writes.deleted(row, columns.values(), this.scopeOf(event.queryRunner))
  }

  /** What goes past the entities, as query builders and raw SQL do. */
  beforeQuery({ query, parameters, queryRunner }: BeforeQuery): void {
    refuseUnstored(parameters, 'save() without listeners', 'save() with its listeners')
    if (!this.#writing.has(queryRunner))
      refuseStatement(query, this.#tables, 'save() and remove() of the loaded entities')
  }

  /** TypeORM reads and compares names, never files; what nobody has set is left as it is. */
  #registerModel(metadata: EntityMetadata, columns: ReadonlyMap<string, Property>): void {
    for (const { onDelete } of metadata.foreignKeys) {
      if (onDelete !== 'CASCADE') continue
      for (const { field, property } of columns.values()) {
        if (field.onDelete === 'cleanup')
          throw cascades(`"${metadata.tableName}"`, property, 'remove the rows before their parent')
      }
    }
    const named: Record<string, FileField> = {}
    this.#tables.push({ table: metadata.tableName, columns: named })
    for (const column of metadata.columns) {
      const file = columns.get(column.propertyName)
      if (file === undefined) continue
      named[column.databaseName] = file.field
      file.field.attach(metadata.tableName, column.databaseName, file.property)
      column.getEntityValue = row =>
        Object.hasOwn(row, file.property) ? row[file.property] : nameOf(file, row)
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

  async #store(
    event: { readonly queryRunner: QueryRunner; readonly manager: EntityManager },
    row: ObjectLiteral,
    columns: ReadonlyMap<string, Property>,
  ): Promise<void> {
    this.#managers.set(row, event.manager)
    const scope = this.scopeOf(event.queryRunner)
    for (const column of columns.values()) {
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
    if (scope !== undefined) await this.#writes.store(row, columns.values(), scope)
  }

  async #written(
    event: { readonly queryRunner: QueryRunner; readonly metadata: EntityMetadata },
    row: ObjectLiteral | undefined,
  ): Promise<void> {
    const columns = this.#models.get(event.metadata)
    if (columns === undefined || row === undefined) return
    await this.#writes.written(row, columns.values(), this.scopeOf(event.queryRunner))
  }

  /** The names that the row has right now, if it is there, with a lock where the database has locks for rows. */
  async #lock(
    event: { readonly manager: EntityManager; readonly metadata: EntityMetadata },
    row: ObjectLiteral,
    columns: ReadonlyMap<string, Property>,
  ): Promise<HeldNames<ObjectLiteral> | undefined> {
    const { metadata, manager } = event
    const id = metadata.getEntityIdMap(row)
    if (id === undefined) return undefined
    const names = [...columns.values()]
    const query = manager.createQueryBuilder(metadata.target, 'row').withDeleted().whereInIds(id)
    for (const [index, { property }] of names.entries()) {
      if (index === 0) query.select(`row.${property}`, 'file0')
      else query.addSelect(`row.${property}`, `file${index}`)
    }
    if (!this.isSqlite) query.setLock('pessimistic_write')
    const found = await query.getRawOne<Record<string, string | null>>()
    return found && new Map(names.map((column, index) => [column, found[`file${index}`] ?? null]))
  }

  /** A rollback that the database refuses, as MySQL does after a deadlock, tells nobody that it is over. */
  async #leaveAll(runner: QueryRunner | undefined): Promise<void> {
    if (runner === undefined) return
    for (let open = this.#leave(runner); open !== undefined; open = this.#leave(runner))
      await open.rollback()
  }

  #leave(runner: QueryRunner): FileScope | undefined {
    this.#writing.delete(runner)
    this.#lost.delete(runner)
    const scopes = this.#scopes.get(runner) ?? []
    this.#scopes.set(runner, scopes.slice(0, -1))
    return scopes.at(-1)
  }
}

/** A row as its files see it. */
class EntityHost implements FieldHost {
  readonly owner: ObjectLiteral
  readonly attribute: string
  readonly #column: Property

  constructor(row: ObjectLiteral, column: Property) {
    this.owner = row
    this.attribute = column.property
    this.#column = column
  }

  /** The slot holds the file, which is asked for its name. */
  setName(): void {
    this.#column.told(this.owner)
  }

  /** On the one connection that SQLite's drivers have. */
  get sharesTransactions(): boolean {
    return this.#registered()?.isSqlite ?? false
  }

  setColumn(column: string, value: number | null): void {
    this.owner[column] = value
  }

  async persist(): Promise<void> {
    await this.#files().managerOf(this.owner).save(this.owner)
  }

  scope(): FileScope | undefined {
    const files = this.#registered()
    return files?.scopeOf(files.managerOf(this.owner).queryRunner)
  }

  async uses(name: string): Promise<number> {
    const files = this.#files()
    return await files.uses(files.currentManager, this.#column.field.storage, name)
  }

  #registered(): SourceFiles | undefined {
    const prototype: Prototype = Object.getPrototypeOf(this.owner)
    const open = [...(prototype[sourcesKey] ?? [])].filter(files => files.source.isInitialized)
    return open.at(-1)
  }

  #files(): SourceFiles {
    const files = this.#registered()
    if (files !== undefined) return files
    throw new ImproperlyConfigured(
      `No open data source knows the files of ${this.owner.constructor.name}: call registerFiles(dataSource).`,
      { setting: 'registerFiles' },
    )
  }
}

/** `''` stands for no file; a column that holds NULL is left alone. */
function nameOf(column: Property, row: ObjectLiteral): string | undefined {
  const name = column.column(row)
  return name === null && column.peek(row) !== undefined ? '' : (name ?? undefined)
}

/** TypeORM writes what is in an embedded object with its entity, and tells nobody. */
function refuseEmbedded({ allEmbeddeds, tableName }: EntityMetadata): void {
  for (const { type, propertyPath } of allEmbeddeds) {
    const columns = typeof type === 'function' && (type.prototype as Prototype)[columnsKey]
    if (!columns) continue
    const [column = ''] = columns.keys()
    throw new ImproperlyConfigured(
      `"${propertyPath}.${column}" of "${tableName}" is a file in an embedded object: give the files to the entity itself.`,
      { setting: column },
    )
  }
}
