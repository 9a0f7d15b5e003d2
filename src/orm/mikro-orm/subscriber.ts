import {
  type ChangeSet,
  type EntityManager,
  type EventArgs,
  type EventSubscriber,
  type FlushEventArgs,
  helper,
  LockMode,
} from '@mikro-orm/core'
import { bypass, vanished } from '../../fields/bypass.ts'
import { type HeldNames, RowWrites } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { columnsKey, columnsOf, type Made, managerKey, type Row } from './columns.ts'
import { filesOf } from './driver-files.ts'

type Changes = readonly ChangeSet<Row>[]
type Execute = (changes: Changes, ...rest: unknown[]) => Promise<void>
type Write = (changes: Changes, em: EntityManager, run: () => Promise<void>) => Promise<void>

/** Writes the rows of the flushes of a manager. */
interface Persister {
  executeUpdates: Execute
  executeDeletes: Execute
}

/** Lets files follow entities and transactions: `subscribers: [new FileSubscriber()]`. */
export class FileSubscriber implements EventSubscriber<Row> {
  readonly #writes = new RowWrites<Row>()
  readonly #followed = new WeakSet<Persister>()

  onInit({ entity, em }: EventArgs<Row>): void {
    const made: Made = entity
    made[managerKey] = em
  }

  beforeFlush({ em, uow }: FlushEventArgs): void {
    const persister = uow.getChangeSetPersister() as object as Persister
    if (this.#followed.has(persister)) return
    this.#followed.add(persister)
    this.#follow(persister, em)
  }

  async beforeCreate(args: EventArgs<Row>): Promise<void> {
    await this.#store(args)
  }

  async beforeUpdate(args: EventArgs<Row>): Promise<void> {
    await this.#store(args)
  }

  async afterCreate({ entity, em }: EventArgs<Row>): Promise<void> {
    await this.#written(entity, em)
  }

  /**
   * Right around the statements: what other subscribers do before and after them is none of a flush, and
   * what they fail with comes too late to hide what was written.
   */
  #follow(persister: Persister, em: EntityManager): void {
    const files = filesOf(em)
    const around = (execute: Execute, write: Write): Execute => {
      return async (changes, ...rest) => {
        const run = () => execute.call(persister, changes, ...rest)
        // It calls itself, too.
        await (files.isFlushing ? run() : write.call(this, changes, em, () => files.flush(run)))
      }
    }
    persister.executeUpdates = around(persister.executeUpdates, this.#update)
    persister.executeDeletes = around(persister.executeDeletes, this.#delete)
  }

  async #update(changes: Changes, em: EntityManager, run: () => Promise<void>): Promise<void> {
    const own = changes.filter(isOfFiles)
    for (const change of own) {
      const names = await this.#lock(change, em)
      if (names === undefined) throw vanished(change.meta.className)
      this.#writes.begin(change.entity, names)
    }
    await run()
    for (const change of own) {
      filesOf(em)
        .scopeOf(em)
        ?.onRollback(() => forget(change))
      await this.#written(change.entity, em)
    }
  }

  async #delete(changes: Changes, em: EntityManager, run: () => Promise<void>): Promise<void> {
    const own = changes.filter(({ entity }) => columnsKey in entity)
    for (const change of own)
      this.#writes.begin(change.entity, (await this.#lock(change, em)) ?? new Map())
    await run()
    for (const { entity } of own)
      await this.#writes.deleted(entity, columnsOf(entity), filesOf(em).scopeOf(em))
  }

  async #store({ entity, em, meta, changeSet }: EventArgs<Row & Made>): Promise<void> {
    if (!(columnsKey in entity)) return
    entity[managerKey] = em
    const files = filesOf(em)
    files.meetSchema(meta, changeSet?.schema)
    const columns = columnsOf(entity)
    const scope = files.scopeOf(em)
    if (scope !== undefined) return await this.#writes.store(entity, columns, scope)
    const waiting = columns.find(column => column.column(entity) === pendingName)
    if (waiting !== undefined) throw bypass('flush()', [waiting.property], 'a transaction')
  }

  async #written(entity: Row, em: EntityManager): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length > 0) await this.#writes.written(entity, columns, filesOf(em).scopeOf(em))
  }

  /** The names that the row has right now, if it is there, with a lock where the database has locks for rows. */
  async #lock(change: ChangeSet<Row>, em: EntityManager): Promise<HeldNames<Row> | undefined> {
    const columns = columnsOf(change.entity)
    filesOf(em).meetSchema(change.meta, change.schema)
    const ctx = em.getTransactionContext()
    const [found] = await em
      .getDriver()
      .find<Row>(change.meta.class, change.getPrimaryKey(true) as never, {
        ctx,
        schema: change.schema,
        fields: columns.map(({ property }) => property) as never,
        connectionType: 'write',
        ...(ctx && { lockMode: LockMode.PESSIMISTIC_WRITE }),
      })
    return found && new Map(columns.map(column => [column, nameIn(found, column.property)]))
  }
}

/** Whether a change concerns files: it is to one of their columns, or somebody has asked for the file. */
function isOfFiles({ entity, payload }: ChangeSet<Row>): boolean {
  return columnsOf(entity).some(
    column => column.property in payload || column.peek(entity) !== undefined,
  )
}

/** The database has taken a change back: MikroORM would take what the file shows again for another change. */
function forget({ entity, originalEntity }: ChangeSet<Row>): void {
  const known: Row | undefined = helper(entity).__originalEntityData
  if (known === undefined || originalEntity === undefined) return
  for (const { property, field } of columnsOf(entity))
    for (const key of [property, ...Object.keys(field.emptyColumns)])
      known[key] = originalEntity[key]
}

function nameIn(row: object, property: string): string | null {
  const name: unknown = Reflect.get(row, property)
  return typeof name === 'string' ? name : null
}
