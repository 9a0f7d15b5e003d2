import {
  type EntityManager,
  type EntityMetadata,
  type EntityProperty,
  type EventArgs,
  type EventSubscriber,
  helper,
  LockMode,
  type Platform,
  type PropertyChain,
  p,
  type TransactionEventArgs,
  type TransformContext,
  Type,
} from '@mikro-orm/core'
import { ImproperlyConfigured, isStorageError, UnsupportedError } from '../core/errors.ts'
import { bypass, cascades, vanished } from '../fields/bypass.ts'
import { FieldFile, type FieldHost } from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { FileScope } from '../fields/lifecycle.ts'
import { type HeldNames, RowWrites } from '../fields/row-writes.ts'
import { FileProperty, pendingName, rowFields } from '../fields/rows.ts'
import { type FiledTable, refuseStatement, refuseUnstored } from '../fields/statements.ts'

type Row = Record<string, unknown>
type Property = FileProperty<Row>

/** On the prototype of an entity: its file columns. */
const columnsKey: unique symbol = Symbol('stowage.mikro-orm.columns')
/** On an entity: the manager that made it, or wrote it last. */
const managerKey: unique symbol = Symbol('stowage.mikro-orm.manager')

interface Made {
  [managerKey]?: EntityManager
}

interface Prototype {
  [columnsKey]?: Map<string, Property>
  [rowFields]?: Record<string, FileField>
}

/**
 * A file column: `avatar: fileProperty(field)` in `defineEntity`. It is never null; `''` stands for no
 * file. {@link FileSubscriber} belongs to it.
 */
export function fileProperty(
  field: FileField,
): PropertyChain<FieldFile, { default: string; length: number }> {
  checkField('fileProperty()', field)
  // MikroORM clones its metadata with everything in it: the field stays in the closure.
  class FileType extends StoredName {
    get field(): FileField {
      return field
    }
  }
  const column = p.type(FileType).$type<FieldFile>().length(field.maxLength)
  return column.default(field.default ?? '') as never
}

/** The column's value: a name in the database, and in memory until somebody asks for the file. */
abstract class StoredName extends Type<unknown, string | undefined> {
  abstract get field(): FileField

  /** Called while the entities are discovered: the prototype gets its accessor then. */
  override getColumnType(prop: EntityProperty, platform: Platform): string {
    if (this.meta !== undefined) {
      addAccessor(this.meta, prop, this.field)
      guardOf(platform.getConfig().getDriver()).watch(this.meta)
    }
    return platform.getVarcharTypeDeclarationSQL({ length: this.field.maxLength })
  }

  override convertToJSValue(value: string | undefined): unknown {
    return value
  }

  override convertToDatabaseValue(
    value: unknown,
    _platform: Platform,
    context?: TransformContext,
  ): string | undefined {
    if (context?.mode === 'query-data' && value !== undefined)
      throw bypass('A native query', [this.prop?.name ?? 'the column'], 'entities and flush()')
    if (value instanceof FieldFile) return nameOf(value)
    return typeof value === 'string' ? value : undefined
  }

  override compareAsType(): string {
    return 'string'
  }

  /** What is assigned may be a name, content or a file; MikroORM would refuse all but a `string`. */
  override get runtimeType(): string {
    return 'any'
  }

  override ensureComparable(): boolean {
    return false
  }

  override toJSON(value: unknown): string | undefined {
    return value instanceof FieldFile
      ? String(value)
      : this.convertToDatabaseValue(value, this.platform as Platform)
  }
}

/** What the column of a file's row is to hold. */
function nameOf(file: FieldFile): string | undefined {
  const row = file.owner as Row | null
  const column = row === null ? undefined : columnsOf(row).find(known => known.peek(row) === file)
  if (row === null || column === undefined) return file.name ?? ''
  const name = column.column(row)
  if (name !== undefined) return name ?? ''
  // Nobody has said: a row that was loaded keeps what it has, also if that was not loaded.
  const loaded: Row | undefined = helper(row).__originalEntityData
  return loaded === undefined ? (file.name ?? '') : (loaded[column.property] as string | undefined)
}

function columnsOf(row: object): Property[] {
  return [...((row as Prototype)[columnsKey]?.values() ?? [])]
}

function addAccessor(meta: EntityMetadata, prop: EntityProperty, field: FileField): void {
  if (meta.embeddable === true || prop.embedded !== undefined)
    throw embedded(meta.className, prop.name)
  const prototype: Prototype & object = meta.prototype as object
  const column: Property = new FileProperty(prop.name, field, (row, of) => new EntityHost(row, of))
  field.attach(meta.tableName || meta.className, prop.fieldNames?.[0] ?? prop.name, prop.name)
  if (!Object.hasOwn(prototype, columnsKey)) prototype[columnsKey] = new Map(prototype[columnsKey])
  prototype[columnsKey]?.set(prop.name, column)
  prototype[rowFields] = { ...prototype[rowFields], [prop.name]: field }
  // MikroORM uses accessors of the prototype for what says so, and leaves them alone.
  prop.accessor = prop.name
  prop.getter = true
  prop.setter = true
  column.defineOn(prototype, { configurable: true, enumerable: true })
}

/** On a driver: what looks at its statements. */
const guardKey: unique symbol = Symbol('stowage.mikro-orm.guard')

interface Guarded {
  [guardKey]?: StatementGuard
}

function guardOf(driver: object): StatementGuard {
  const guarded: Guarded = driver
  guarded[guardKey] ??= new StatementGuard(driver as Driver)
  return guarded[guardKey]
}

/** Of a driver of SQL, as much as is needed here. */
interface Driver {
  convertException: (error: Error) => Error
  getConnection(): { execute: (...args: unknown[]) => unknown }
}

/** Refuses what goes past the entities, as native queries, query builders and raw SQL do. */
class StatementGuard {
  readonly #driver: Driver
  readonly #models = new Set<EntityMetadata>()
  /** Transactions that are between the events before and after a write of entities. */
  readonly #writing = new WeakSet<object>()

  constructor(driver: Driver) {
    this.#driver = driver
    const connection = driver.getConnection()
    const { execute } = connection
    connection.execute = async (...args) => {
      const [query, values, , transaction] = args
      this.#check(query, values, transaction)
      return await Reflect.apply(execute, connection, args)
    }
    // What a statement fails with becomes an error of the driver.
    const { convertException } = driver
    driver.convertException = error =>
      isStorageError(error) ? error : convertException.call(driver, error)
  }

  watch(meta: EntityMetadata): void {
    this.#models.add(meta)
  }

  begin(em: EntityManager): void {
    this.#writing.add(em.getTransactionContext() ?? this.#driver)
  }

  end(em: EntityManager): void {
    this.#writing.delete(em.getTransactionContext() ?? this.#driver)
  }

  #check(query: unknown, values: unknown, transaction: unknown): void {
    if (this.#writing.has(Object(transaction ?? this.#driver))) return
    refuseUnstored(values, 'A write that goes past flush()', 'em.persist() and flush()')
    const sql = typeof query === 'string' ? query : Reflect.get(Object(query), 'sql')
    refuseStatement(String(sql), [...this.#models].map(tableOf), 'em.remove() and flush()')
  }
}

function tableOf({ tableName, prototype, properties }: EntityMetadata): FiledTable {
  const columns = columnsOf(prototype as object).map(({ property, field }) => {
    const names: readonly string[] | undefined = Reflect.get(properties, property)?.fieldNames
    return [names?.[0] ?? property, field] as const
  })
  return { table: tableName, columns: Object.fromEntries(columns) }
}

/** Lets files follow entities and transactions: `subscribers: [new FileSubscriber()]`. */
export class FileSubscriber implements EventSubscriber<Row> {
  readonly #scopes = new WeakMap<object, FileScope>()
  /** Savepoints by their transactions. */
  readonly #savepoints = new WeakMap<object, object[]>()
  /** Transactions in which managers are about to begin a savepoint. */
  readonly #starting = new WeakMap<EntityManager, object | undefined>()
  readonly #writes = new RowWrites<Row>()
  readonly #checked = new WeakSet<EntityMetadata>()

  onInit({ entity, em, meta }: EventArgs<Row>): void {
    if (columnsKey in entity) this.#checkCascades(meta)
    const made: Made = entity
    made[managerKey] = em
  }

  beforeTransactionStart({ em, transaction }: TransactionEventArgs): void {
    this.#starting.set(em, transaction)
  }

  afterTransactionStart({ em, transaction }: TransactionEventArgs): void {
    if (transaction === undefined) return
    const outer = this.#starting.get(em)
    this.#scopes.set(transaction, new FileScope(outer && this.#scopes.get(outer)))
    if (outer !== undefined)
      this.#savepoints.set(outer, [...(this.#savepoints.get(outer) ?? []), transaction])
  }

  async afterTransactionCommit({ transaction }: TransactionEventArgs): Promise<void> {
    if (transaction === undefined) return
    await this.#releaseSavepoints(transaction)
    await this.#scopes.get(transaction)?.commit()
  }

  async afterTransactionRollback({ transaction }: TransactionEventArgs): Promise<void> {
    if (transaction === undefined) return
    await this.#releaseSavepoints(transaction)
    await this.#scopes.get(transaction)?.rollback()
  }

  /** MikroORM's driver of MySQL and MariaDB tells nobody that a savepoint was released. */
  async #releaseSavepoints(transaction: object): Promise<void> {
    for (const savepoint of this.#savepoints.get(transaction) ?? []) {
      await this.#releaseSavepoints(savepoint)
      await this.#scopes.get(savepoint)?.commit()
    }
  }

  async beforeCreate({ entity, em }: EventArgs<Row>): Promise<void> {
    await this.#store(entity, em)
  }

  async beforeUpdate(args: EventArgs<Row>): Promise<void> {
    if (columnsOf(args.entity).length === 0) return
    const previous = await this.#lock(args)
    if (previous === undefined) throw vanished(args.meta.className)
    this.#writes.begin(args.entity, previous)
    await this.#store(args.entity, args.em)
    guardOf(args.em.getDriver()).begin(args.em)
  }

  async beforeDelete(args: EventArgs<Row>): Promise<void> {
    if (columnsOf(args.entity).length === 0) return
    this.#writes.begin(args.entity, (await this.#lock(args)) ?? new Map())
    guardOf(args.em.getDriver()).begin(args.em)
  }

  async afterCreate({ entity, em }: EventArgs<Row>): Promise<void> {
    await this.#written(entity, em)
  }

  async afterUpdate({ entity, em }: EventArgs<Row>): Promise<void> {
    if (columnsKey in entity) guardOf(em.getDriver()).end(em)
    await this.#written(entity, em)
  }

  async afterDelete({ entity, em }: EventArgs<Row>): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length === 0) return
    guardOf(em.getDriver()).end(em)
    await this.#writes.deleted(entity, columns, this.scopeOf(em))
  }

  scopeOf(em: EntityManager): FileScope | undefined {
    const transaction: object | undefined = em.getTransactionContext()
    return transaction && this.#scopes.get(transaction)
  }

  async #store(entity: Row & Made, em: EntityManager): Promise<void> {
    if (columnsKey in entity) entity[managerKey] = em
    const columns = columnsOf(entity)
    const scope = this.scopeOf(em)
    if (scope !== undefined) return await this.#writes.store(entity, columns, scope)
    const waiting = columns.find(column => column.column(entity) === pendingName)
    if (waiting !== undefined) throw bypass('flush()', [waiting.property], 'a transaction')
  }

  async #written(entity: Row, em: EntityManager): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length > 0) await this.#writes.written(entity, columns, this.scopeOf(em))
  }

  /** The names that the row has right now, if it is there, with a lock where the database has locks for rows. */
  async #lock({ entity, em, meta }: EventArgs<Row>): Promise<HeldNames<Row> | undefined> {
    const columns = columnsOf(entity)
    const own = em.fork({ keepTransactionContext: true, clear: true })
    const found: Row | null = await own.findOne<Row>(
      meta.class,
      helper(entity).getPrimaryKey() as never,
      {
        lockMode: LockMode.PESSIMISTIC_WRITE,
        filters: false,
      } as never,
    )
    return found === null
      ? undefined
      : new Map(columns.map(column => [column, column.get(found).name]))
  }

  #checkCascades(meta: EntityMetadata): void {
    if (this.#checked.has(meta)) return
    if (!meta.relations.some(({ deleteRule }) => deleteRule === 'cascade')) return
    for (const { field, property } of columnsOf(meta.prototype as object))
      if (field.onDelete === 'cleanup')
        throw cascades(meta.className, property, 'let MikroORM remove them (cascade)')
    this.#checked.add(meta)
  }
}

/** A row as its files see it. */
class EntityHost implements FieldHost {
  readonly owner: Row
  readonly attribute: string
  readonly #column: Property

  constructor(row: Row, column: Property) {
    this.owner = row
    this.attribute = column.property
    this.#column = column
  }

  setName(): void {
    this.#column.told(this.owner)
  }

  setColumn(column: string, value: number | null): void {
    this.owner[column] = value
  }

  async persist(): Promise<void> {
    await this.#em().persist(this.owner).flush()
  }

  scope(): FileScope | undefined {
    const em = managerOf(this.owner)
    return em && subscriberOf(em)?.scopeOf(em)
  }

  async uses(name: string, storage: unknown): Promise<number> {
    const em = this.#em()
    const own = em.fork({ clear: true, keepTransactionContext: isOpen(em.getTransactionContext()) })
    let count = 0
    for (const meta of own.getMetadata().getAll().values()) {
      for (const { field, property } of columnsOf(meta.prototype as object)) {
        if (field.storage !== storage || isCountedWithRoot(meta, property)) continue
        const where = { [property]: name }
        count += await own.count(meta.class, where as never, { filters: false })
      }
    }
    return count
  }

  #em(): EntityManager {
    const em = managerOf(this.owner)
    if (em !== undefined) return em
    throw new UnsupportedError(
      'The entity belongs to no EntityManager yet: em.persist() it first.',
      {
        operation: 'save',
      },
    )
  }
}

/** Whether the rows are those of the class above, in one table. */
function isCountedWithRoot({ root, tableName, prototype }: EntityMetadata, name: string): boolean {
  return (
    root.prototype !== prototype &&
    root.tableName === tableName &&
    columnsOf(root.prototype as object).some(({ property }) => property === name)
  )
}

function embedded(model: string, column: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `"${column}" is a file in the embeddable of ${model}, which MikroORM tells nobody about: give the files to the entity itself.`,
    { setting: column },
  )
}

function managerOf(row: Row & Made): EntityManager | undefined {
  return helper(row).__em ?? row[managerKey]
}

/** A manager keeps its transaction a little longer than the database does. */
function isOpen(transaction: object | undefined): boolean {
  if (transaction === undefined) return false
  return (
    Reflect.get(transaction, 'isCommitted') !== true &&
    Reflect.get(transaction, 'isRolledBack') !== true
  )
}

/** The subscriber that follows a manager's transactions. */
function subscriberOf(em: EntityManager): FileSubscriber | undefined {
  return [...em.getEventManager().getSubscribers()].find(
    (subscriber): subscriber is FileSubscriber => subscriber instanceof FileSubscriber,
  )
}
