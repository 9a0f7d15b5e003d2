import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  Configuration,
  EntityManager,
  EntityMetadata,
  EntityProperty,
  MetadataStorage,
} from '@mikro-orm/core'
import { ImproperlyConfigured, isStorageError, UnsupportedError } from '../../core/errors.ts'
import { countUses, FileModel, FileModels, mostUses } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { refuseUnstored } from '../../fields/statements.ts'
import { Turns } from '../../fields/turns.ts'
import { columnsOfClass, driversKey, type Prototype } from './columns.ts'
import { type Connection, TransactionScopes, watchStatements } from './connection.ts'
import { watchRows } from './hydration.ts'

/** On a driver: its files. */
const filesKey: unique symbol = Symbol('stowage.mikro-orm.files')

/** What to use where somebody goes past it. */
const instead = 'entities and flush(), with a FileSubscriber'

/** What to do about content that was not there when the {@link FileSubscriber} stored all that waits. */
const insteadOfContent =
  'flush(), with the FileSubscriber behind others that give content, and its name in afterUpdate'

/** Of a driver of SQL, as much as is needed here. */
interface Driver {
  [filesKey]?: DriverFiles
  readonly config: Configuration
  readonly replicas: readonly Connection[]
  convertException: (error: Error) => Error
  close: (force?: boolean) => Promise<void>
  getConnection(): Connection & { readonly connected: boolean }
  getPlatform(): object
  createEntityManager(useContext: false): EntityManager
  getSchemaName(meta: EntityMetadata, options: { schema?: string | undefined }): string | undefined
}

/** Of a manager of SQL. */
interface SqlManager {
  createQueryBuilder(entity: unknown, alias: undefined, connection: 'write'): Query
}

interface Query {
  withSchema(schema: string | undefined): Query
  select(properties: readonly string[]): Query
  where(condition: object): Query
  limit(count: number): Query
  cache(config: false): Query
  execute(): Promise<readonly object[]>
}

/** The files of one database. */
export function filesOf(em: { getDriver(): object }): DriverFiles {
  const driver = em.getDriver() as Driver
  driver[filesKey] ??= new DriverFiles(driver)
  return driver[filesKey]
}

/**
 * What the rows of a driver have of files, and what its transactions do to them. Refuses what goes past
 * the entities, as native queries, query builders and raw SQL do.
 */
export class DriverFiles {
  readonly #driver: Driver
  readonly #scopes = new TransactionScopes()
  readonly #entities = new Set<EntityMetadata>()
  #models: FileModels<EntityMetadata> | undefined
  /** Once all entities are known. */
  #metadata: MetadataStorage | undefined
  /** Schemas in which rows were written, by the entity at the root of theirs. */
  readonly #schemas = new Map<EntityMetadata, Set<string | undefined>>()
  /** Whether a statement is that of a flush, which has looked at its rows. */
  readonly #flushing = new AsyncLocalStorage<true>()
  readonly #turns = new WeakMap<EntityManager, Turns>()
  /** Rows that were deleted: what their other columns name is gone. */
  readonly deleted: WeakSet<object> = new WeakSet()
  #wasClosed = false

  constructor(driver: Driver) {
    this.#driver = driver
    watchRows(driver.config)
    for (const connection of [driver.getConnection(), ...driver.replicas]) {
      watchStatements(connection, (sql, values) => this.#check(sql, values))
      this.#scopes.watch(connection)
    }
    const { close } = driver
    driver.close = async force => {
      this.#wasClosed = true
      await close.call(driver, force)
    }
    // What a statement fails with becomes an error of the driver.
    const { convertException } = driver
    driver.convertException = error =>
      isStorageError(error) ? error : convertException.call(driver, error)
    this.#checkOnceDiscovered()
  }

  /** An entity was discovered that has files; the names of its columns are told later. */
  meet(meta: EntityMetadata): void {
    const prototype: Prototype = meta.prototype as object
    const others = [...(prototype[driversKey] ?? [])].filter(({ isReachable }) => isReachable)
    prototype[driversKey] = new Set([...others, this])
    this.#entities.add(meta)
    this.#models = undefined
  }

  /** A row of the entity is written in a schema. */
  meetSchema(meta: EntityMetadata, schema: string | undefined): void {
    const known = this.#schemas.get(meta.root) ?? new Set()
    this.#schemas.set(meta.root, known.add(this.#driver.getSchemaName(meta, { schema })))
  }

  /** @throws UnsupportedError for a transaction whose end nobody would tell */
  scopeOf(em: EntityManager): FileScope | undefined {
    const transaction: object | undefined = em.getTransactionContext()
    if (transaction === undefined) return undefined
    const scope = this.#scopes.of(transaction)
    if (scope !== undefined) return scope
    throw new UnsupportedError(
      'The transaction of the EntityManager was not begun by MikroORM, which therefore tells nobody how it ends: use em.transactional(), or em.begin() and em.commit().',
      { operation: 'transaction' },
    )
  }

  /** The transaction of a manager, which keeps it a little longer than the database does. */
  #transactionOf(em: EntityManager): object | undefined {
    const transaction: object | undefined = em.getTransactionContext()
    return this.#scopes.isOpen(transaction) ? transaction : undefined
  }

  /** One that stands in for a manager whose transaction is over: its statements would come too late. */
  alive(em: EntityManager): EntityManager {
    const transaction: object | undefined = em.getTransactionContext()
    if (transaction === undefined || !this.#scopes.isOver(transaction)) return em
    const heir = em.fork({ clear: true, disableContextResolution: true })
    const outer = this.#scopes.around(transaction)
    if (outer !== undefined) heir.setTransactionContext(outer)
    return heir
  }

  /** MikroORM forgets a flush that waits for another one of its manager, if that fails. */
  async inTurn(em: EntityManager, flush: () => Promise<void>): Promise<void> {
    const turns = this.#turns.get(em) ?? new Turns()
    this.#turns.set(em, turns)
    await turns.take(undefined, flush)
  }

  isOpen(em: EntityManager): boolean {
    return this.#transactionOf(em) !== undefined
  }

  /** Whether rows of a manager that are written now belong into the transaction of another one. */
  isFor(running: EntityManager, em: EntityManager): boolean {
    if (running.getDriver() !== em.getDriver()) return false
    const transaction = this.#transactionOf(running)
    const own = this.#transactionOf(em)
    return (
      transaction !== undefined && (own === undefined || this.#scopes.isInside(transaction, own))
    )
  }

  /** Whether this runs inside {@link flush}. */
  get isFlushing(): boolean {
    return this.#flushing.getStore() === true
  }

  /** Runs the statements by which a flush writes its rows. */
  async flush(write: () => Promise<void>): Promise<void> {
    await this.#flushing.run(true, write)
  }

  /** Whether its MikroORM is not closed. */
  get isReachable(): boolean {
    return !this.#wasClosed || this.#driver.getConnection().connected
  }

  /** Number of rows that name a file, as the manager sees them, and in other databases with rows of the class. */
  async uses(em: EntityManager, row: object, storage: unknown, name: string): Promise<number> {
    let total = await this.#count(em, storage, name)
    for (const other of (row as Prototype)[driversKey] ?? []) {
      if (other === this || !other.isReachable) continue
      total += await other.#count(other.#driver.createEntityManager(false), storage, name)
    }
    return total
  }

  async #count(em: EntityManager, storage: unknown, name: string): Promise<number> {
    return await this.models.uses(storage, async (meta, properties) => {
      const own = properties.filter(property => !isCountedWithRoot(meta, property))
      if (own.length === 0) return 0
      let total = 0
      for (const schema of this.#schemasOf(meta, em)) {
        const query = (em as object as SqlManager)
          .createQueryBuilder(meta.class, undefined, 'write')
          .withSchema(schema)
          .select(own)
          .where({ $or: own.map(property => ({ [property]: name })) })
        const rows = await query.limit(mostUses).cache(false).execute()
        total += countUses(rows, own, name)
      }
      return total
    })
  }

  get models(): FileModels<EntityMetadata> {
    if (this.#models !== undefined) return this.#models
    this.#models = new FileModels()
    for (const meta of this.#entities) this.#models.add(meta, this.#modelOf(meta))
    return this.#models
  }

  #modelOf(meta: EntityMetadata): FileModel {
    const columns = columnsOfClass(meta).map(({ property, field }) => {
      const names: readonly string[] | undefined = Reflect.get(
        meta.properties,
        property,
      )?.fieldNames
      return { property, field, column: names?.[0] }
    })
    const schemaOf = (entity: EntityMetadata) => this.#driver.getSchemaName(entity, {})
    const others = [...(this.#metadata?.getAll().values() ?? [])].flatMap(other => {
      const schema = schemaOf(other)
      const isOther = other.tableName === meta.tableName && schema !== schemaOf(meta)
      const isFree = isOther && schema !== undefined && columnsOfClass(other).length === 0
      return isFree ? [`${schema}.${other.tableName}`] : []
    })
    return new FileModel(meta.tableName, columns, undefined, others)
  }

  /** An entity of every schema has rows in those alone that somebody names. */
  #schemasOf(meta: EntityMetadata, { schema }: EntityManager): Set<string | undefined> {
    const schemas = new Set(this.#schemas.get(meta.root))
    if (schema !== undefined) schemas.add(this.#driver.getSchemaName(meta, { schema }))
    if (meta.schema !== '*') schemas.add(this.#driver.getSchemaName(meta, {}))
    return schemas
  }

  #check(sql: string, values: unknown): void {
    refuseUnstored(values, 'A write of content that is not stored yet', insteadOfContent)
    const platform = this.#driver.getPlatform().constructor.name
    if (!this.isFlushing) this.models.refuseStatement(sql, platform, instead)
  }

  /** Once all entities are known, and before a row is read. */
  #checkOnceDiscovered(): void {
    const { config } = this.#driver
    const discovery = config.get('discovery')
    config.set('discovery', {
      ...discovery,
      afterDiscovered: (...args) => {
        this.#metadata = args[0]
        this.#models = undefined
        for (const meta of this.#entities) this.#checkEntity(meta)
        return discovery.afterDiscovered?.(...args)
      },
    })
  }

  #checkEntity(meta: EntityMetadata): void {
    if (meta.root.inheritanceType === 'tpt') throw spread(meta)
    if (meta.relations.some(relation => this.#isCascaded(relation)))
      this.models.of(meta)?.refuseCascade(meta.className, 'let MikroORM remove them (cascade)')
  }

  #isCascaded({ kind, owner, ...relation }: EntityProperty): boolean {
    if (kind !== 'm:1' && !(kind === '1:1' && owner)) return false
    const { defaultDeleteRule } = this.#driver.config.get('schemaGenerator')
    const rule = relation.deleteRule ?? defaultDeleteRule
    return rule === 'cascade' && relation.createForeignKeyConstraint !== false
  }
}

/** Whether the rows are those of the class above, in one table. */
function isCountedWithRoot(meta: EntityMetadata, name: string): boolean {
  const { root, tableName, prototype } = meta
  return (
    root.prototype !== prototype &&
    root.tableName === tableName &&
    columnsOfClass(root).some(({ property }) => property === name)
  )
}

function spread({ className, root }: EntityMetadata): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${className} has files, and a row in each of several tables (inheritance 'tpt' of ${root.className}), of which MikroORM writes one at a time: use inheritance in one table (discriminatorColumn), or give the files to an entity of their own.`,
    { setting: 'inheritance' },
  )
}
