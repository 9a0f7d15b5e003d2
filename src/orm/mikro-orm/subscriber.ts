import {
  type EntityManager,
  type EntityMetadata,
  type EventArgs,
  type EventSubscriber,
  helper,
  LockMode,
  type TransactionEventArgs,
} from '@mikro-orm/core'
import { bypass, vanished } from '../../fields/bypass.ts'
import { FileScope } from '../../fields/lifecycle.ts'
import { type HeldNames, RowWrites } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { columnsKey, columnsOf, type Made, managerKey, type Row } from './columns.ts'
import { filesOf } from './driver-files.ts'

/** Lets files follow entities and transactions: `subscribers: [new FileSubscriber()]`. */
export class FileSubscriber implements EventSubscriber<Row> {
  /** Savepoints by their transactions. */
  readonly #savepoints = new WeakMap<object, object[]>()
  /** Transactions in which managers are about to begin a savepoint. */
  readonly #starting = new WeakMap<EntityManager, object | undefined>()
  readonly #writes = new RowWrites<Row>()
  readonly #checked = new WeakSet<EntityMetadata>()

  onInit({ entity, em, meta }: EventArgs<Row>): void {
    if (columnsKey in entity) this.#checkCascades(meta, em)
    const made: Made = entity
    made[managerKey] = em
  }

  beforeTransactionStart({ em, transaction }: TransactionEventArgs): void {
    this.#starting.set(em, transaction)
  }

  afterTransactionStart({ em, transaction }: TransactionEventArgs): void {
    if (transaction === undefined) return
    const outer = this.#starting.get(em)
    const { scopes } = filesOf(em)
    scopes.set(transaction, new FileScope(outer && scopes.get(outer)))
    if (outer !== undefined)
      this.#savepoints.set(outer, [...(this.#savepoints.get(outer) ?? []), transaction])
  }

  async afterTransactionCommit({ em, transaction }: TransactionEventArgs): Promise<void> {
    if (transaction === undefined) return
    const { scopes } = filesOf(em)
    await this.#releaseSavepoints(transaction, scopes)
    await scopes.get(transaction)?.commit()
  }

  async afterTransactionRollback({ em, transaction }: TransactionEventArgs): Promise<void> {
    if (transaction === undefined) return
    const { scopes } = filesOf(em)
    await this.#releaseSavepoints(transaction, scopes)
    await scopes.get(transaction)?.rollback()
  }

  /** MikroORM's driver of MySQL and MariaDB tells nobody that a savepoint was released. */
  async #releaseSavepoints(transaction: object, scopes: WeakMap<object, FileScope>): Promise<void> {
    for (const savepoint of this.#savepoints.get(transaction) ?? []) {
      await this.#releaseSavepoints(savepoint, scopes)
      await scopes.get(savepoint)?.commit()
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
    filesOf(args.em).begin(args.em)
  }

  async beforeDelete(args: EventArgs<Row>): Promise<void> {
    if (columnsOf(args.entity).length === 0) return
    this.#writes.begin(args.entity, (await this.#lock(args)) ?? new Map())
    filesOf(args.em).begin(args.em)
  }

  async afterCreate({ entity, em }: EventArgs<Row>): Promise<void> {
    await this.#written(entity, em)
  }

  async afterUpdate({ entity, em }: EventArgs<Row>): Promise<void> {
    if (columnsKey in entity) filesOf(em).end(em)
    await this.#written(entity, em)
  }

  async afterDelete({ entity, em }: EventArgs<Row>): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length === 0) return
    filesOf(em).end(em)
    await this.#writes.deleted(entity, columns, filesOf(em).scopeOf(em))
  }

  async #store(entity: Row & Made, em: EntityManager): Promise<void> {
    if (columnsKey in entity) entity[managerKey] = em
    const columns = columnsOf(entity)
    const scope = filesOf(em).scopeOf(em)
    if (scope !== undefined) return await this.#writes.store(entity, columns, scope)
    const waiting = columns.find(column => column.column(entity) === pendingName)
    if (waiting !== undefined) throw bypass('flush()', [waiting.property], 'a transaction')
  }

  async #written(entity: Row, em: EntityManager): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length > 0) await this.#writes.written(entity, columns, filesOf(em).scopeOf(em))
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

  #checkCascades(meta: EntityMetadata, em: EntityManager): void {
    if (this.#checked.has(meta)) return
    if (!meta.relations.some(({ deleteRule }) => deleteRule === 'cascade')) return
    const instead = 'let MikroORM remove them (cascade)'
    filesOf(em).models.of(meta)?.refuseCascade(meta.className, instead)
    this.#checked.add(meta)
  }
}
