import {
  type ChangeSet,
  type EntityManager,
  type EventArgs,
  type EventSubscriber,
  type FlushEventArgs,
  helper,
} from '@mikro-orm/core'
import { bypass, vanished } from '../../fields/bypass.ts'
import { holdName, isPending } from '../../fields/field-host.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { type HeldNames, RowWrites } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { columnsKey, columnsOf, type Row, rememberManager } from './columns.ts'
import { filesOf } from './driver-files.ts'
import { type Changes, lockRows } from './locks.ts'

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
  /** Those that the database has carried out. */
  readonly #done = new WeakSet<ChangeSet<Row>>()

  onInit({ entity, em }: EventArgs<Row>): void {
    if (columnsKey in entity) rememberManager(entity, em)
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
    const { changeSet, em } = args
    // The first word on a rollback is the last one that is carried out.
    if (changeSet !== undefined && isOfFiles(changeSet))
      filesOf(em)
        .scopeOf(em)
        ?.onRollback(() => {
          if (this.#done.has(changeSet)) takeBack(changeSet)
        })
    await this.#store(args)
  }

  async afterCreate({ entity, em, changeSet }: EventArgs<Row>): Promise<void> {
    filesOf(em).deleted.delete(entity)
    await this.#written(entity, em, changeSet)
  }

  /** MikroORM takes a row for written as it finds it now: what it was given meanwhile would stay unwritten. */
  afterUpdate({ entity, changeSet }: EventArgs<Row>): void {
    const known: Row | undefined = helper(entity).__originalEntityData
    if (known === undefined || changeSet?.originalEntity === undefined) return
    for (const { property, field } of columnsOf(entity))
      for (const key of [property, ...Object.keys(field.emptyColumns)])
        known[key] = writtenIn(changeSet, key)
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
    for (const [change, names] of await lockAll(own, em)) {
      if (names === undefined) throw vanished(change.meta.className)
      this.#writes.begin(change.entity, names)
      leaveTakenBack(change, names)
    }
    const scope = filesOf(em).scopeOf(em)
    if (own.length > 0) scope?.checkOpen()
    if (scope !== undefined) for (const change of own) nameStored(change, scope)
    await run()
    for (const change of own) {
      this.#done.add(change)
      await this.#written(change.entity, em, change)
    }
  }

  async #delete(changes: Changes, em: EntityManager, run: () => Promise<void>): Promise<void> {
    const own = changes.filter(({ entity }) => columnsKey in entity)
    for (const [{ entity }, names] of await lockAll(own, em))
      this.#writes.begin(entity, names ?? new Map())
    const { deleted } = filesOf(em)
    const scope = filesOf(em).scopeOf(em)
    if (own.length > 0) scope?.checkOpen()
    await run()
    for (const { entity } of own) {
      deleted.add(entity)
      scope?.onRollback(() => {
        deleted.delete(entity)
      })
      await this.#writes.deleted(entity, columnsOf(entity), scope)
    }
  }

  async #store({ entity, em, meta, changeSet }: EventArgs<Row>): Promise<void> {
    if (!(columnsKey in entity)) return
    rememberManager(entity, em)
    const files = filesOf(em)
    files.meetSchema(meta, changeSet?.schema)
    const columns = columnsOf(entity)
    const scope = files.scopeOf(em)
    if (scope !== undefined) return await this.#writes.store(entity, columns, scope)
    const waiting = columns.find(column => column.column(entity) === pendingName)
    if (waiting !== undefined) throw bypass('flush()', [waiting.property], 'a transaction')
  }

  async #written(
    entity: Row,
    em: EntityManager,
    changeSet: ChangeSet<Row> | undefined,
  ): Promise<void> {
    const columns = columnsOf(entity)
    if (columns.length === 0) return
    await this.#writes.written(entity, columns, filesOf(em).scopeOf(em), ({ property }) => {
      const name = writtenIn(changeSet, property) as string | null | undefined
      return name === undefined ? name : name || null
    })
  }
}

/** What the rows have, as {@link lockRows} says. */
async function lockAll(
  changes: Changes,
  em: EntityManager,
): Promise<readonly (readonly [change: ChangeSet<Row>, names: HeldNames<Row> | undefined])[]> {
  for (const { meta, schema } of changes) filesOf(em).meetSchema(meta, schema)
  const held = await lockRows(changes, em)
  return changes.map(change => [change, held.get(change.entity)])
}

/** Whether a change concerns files: it is to one of their columns, or something has happened to the file. */
function isOfFiles({ entity, payload }: ChangeSet<Row>): boolean {
  return columnsOf(entity).some(column => column.property in payload || column.hasNews(entity))
}

/** What a row has in a column after a change of it; `undefined` where the change does not tell. */
function writtenIn(changeSet: ChangeSet<Row> | undefined, property: string): unknown {
  const { payload, originalEntity }: Partial<ChangeSet<Row>> = changeSet ?? {}
  return payload !== undefined && property in payload
    ? payload[property]
    : originalEntity?.[property]
}

/** A `save()` has stored a file since the row's content was: the change is to name it. */
function nameStored({ entity, payload }: ChangeSet<Row>, scope: FileScope): void {
  for (const column of columnsOf(entity)) {
    const file = column.peek(entity)
    if (payload[column.property] === pendingName && file?.[isPending] === false)
      payload[column.property] = file[holdName](scope) ?? ''
  }
}

/**
 * A save that has failed takes its file back, perhaps when MikroORM has already computed what the next flush
 * writes: the row keeps what it has.
 */
function leaveTakenBack(
  { entity, originalEntity, payload }: ChangeSet<Row>,
  names: HeldNames<Row>,
): void {
  for (const column of columnsOf(entity)) {
    const { property, field } = column
    const name = column.stored(entity)
    if (!(property in payload) || payload[property] === name) continue
    if (name !== originalEntity?.[property]) continue
    const held = names.get(column) ?? null
    payload[property] = held
    column.refresh(entity, held)
    for (const other of Object.keys(field.emptyColumns)) delete payload[other]
  }
}

/** The database has taken a change back: it is none that MikroORM has still to write. */
function takeBack({ entity, originalEntity, payload }: ChangeSet<Row>): void {
  const known: Row | undefined = helper(entity).__originalEntityData
  if (known === undefined || originalEntity === undefined) return
  for (const column of columnsOf(entity)) {
    const { property, field } = column
    const others = Object.keys(field.emptyColumns)
    for (const key of [property, ...others]) known[key] = originalEntity[key]
    if (!(property in payload)) continue
    column.takeBack(entity, (originalEntity[property] ?? null) as string | null)
    for (const key of others) entity[key] = originalEntity[key]
  }
}
