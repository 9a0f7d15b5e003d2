import type { EntityManager, EntityMetadata } from '@mikro-orm/core'
import { isStorageError } from '../../core/errors.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { refuseUnstored } from '../../fields/statements.ts'
import { columnsOfClass } from './columns.ts'

/** On a driver: its files. */
const filesKey: unique symbol = Symbol('stowage.mikro-orm.files')

/** Of a driver of SQL, as much as is needed here. */
interface Driver {
  [filesKey]?: DriverFiles
  convertException: (error: Error) => Error
  getConnection(): { execute: (...args: unknown[]) => unknown }
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
  /** Of the transactions that are open; a {@link FileSubscriber} opens and settles them. */
  readonly scopes = new WeakMap<object, FileScope>()
  readonly #driver: Driver
  readonly #entities = new Set<EntityMetadata>()
  #models: FileModels<EntityMetadata> | undefined
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

  /** An entity was discovered that has files; the names of its columns are told later. */
  meet(meta: EntityMetadata): void {
    this.#entities.add(meta)
    this.#models = undefined
  }

  scopeOf(em: EntityManager): FileScope | undefined {
    const transaction: object | undefined = em.getTransactionContext()
    return transaction && this.scopes.get(transaction)
  }

  begin(em: EntityManager): void {
    this.#writing.add(em.getTransactionContext() ?? this.#driver)
  }

  end(em: EntityManager): void {
    this.#writing.delete(em.getTransactionContext() ?? this.#driver)
  }

  /** Number of rows that name a file, as the manager sees them. */
  async uses(em: EntityManager, storage: unknown, name: string): Promise<number> {
    return await this.models.uses(storage, async (meta, properties) => {
      const own = properties.filter(property => !isCountedWithRoot(meta, property))
      if (own.length === 0) return 0
      const where = { $or: own.map(property => ({ [property]: name })) }
      return await em.count(meta.class, where as never, { filters: false })
    })
  }

  get models(): FileModels<EntityMetadata> {
    if (this.#models !== undefined) return this.#models
    this.#models = new FileModels()
    for (const meta of this.#entities) this.#models.add(meta, modelOf(meta))
    return this.#models
  }

  #check(query: unknown, values: unknown, transaction: unknown): void {
    if (this.#writing.has(Object(transaction ?? this.#driver))) return
    refuseUnstored(values, 'A write that goes past flush()', 'em.persist() and flush()')
    const sql = typeof query === 'string' ? query : Reflect.get(Object(query), 'sql')
    this.models.refuseStatement(String(sql), 'em.remove() and flush()')
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

function modelOf(meta: EntityMetadata): FileModel {
  const columns = columnsOfClass(meta).map(({ property, field }) => {
    const names: readonly string[] | undefined = Reflect.get(meta.properties, property)?.fieldNames
    return { property, field, column: names?.[0] }
  })
  return new FileModel(meta.tableName, columns)
}
