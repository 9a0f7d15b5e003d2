import { type SQL, sql } from 'drizzle-orm'
import type { AnyDatabase } from 'stowage/drizzle'
import type { FileInput } from 'stowage/fields'
import type { Row, Session, Unit } from './session.ts'

/** A database or a transaction of Drizzle's, whatever it speaks to. */
interface Handle extends AnyDatabase {
  /** Not of SQLite. */
  execute?(statement: SQL): Promise<unknown>
  transaction<R>(work: (tx: Handle) => Promise<R>): Promise<R>
}

/** The rows of `documents`, as `fileTable` gives them for each dialect. */
interface Documents {
  build(values: { readonly title: string }): Row
  insert(
    ...rows: readonly { readonly title: string; readonly normal?: FileInput }[]
  ): Promise<Row[]>
  save(row: object): Promise<void>
  delete(...rows: readonly Row[]): Promise<void>
  find(where?: SQL | undefined): Promise<Row[]>
}

/** What a dialect has of its own. */
interface Dialect {
  readonly db: Handle
  readonly rows: (handle: Handle) => Documents
  readonly titled: (title: string) => SQL
  readonly names: () => Promise<string[]>
  /** Runs a statement of raw SQL. */
  readonly run: (statement: SQL) => Promise<unknown>
  /** What Drizzle has for each table. */
  readonly remove: () => Promise<unknown>
  readonly change: (values: {
    readonly width?: number
    readonly normal?: never
  }) => Promise<unknown>
  readonly upsert: (title: string) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Drizzle on a database with its table. */
export function openDrizzle({ db, rows, titled, names, close, ...others }: Dialect): Session {
  const unit = (handle: Handle): Required<Unit> => {
    const own = rows(handle)
    return {
      make: title => own.build({ title }),
      save: row => own.save(row),
      remove: row => own.delete(row),
      find: async title => {
        const [row] = await own.find(titled(title))
        if (row === undefined) throw new Error(`no row ${title}`)
        return row
      },
      lock: async title => {
        await handle.execute?.(sql`SELECT id FROM documents WHERE title = ${title} FOR UPDATE`)
        const [row] = await own.find(titled(title))
        if (row === undefined) throw new Error(`no row ${title}`)
        return row
      },
      nested: async work => await handle.transaction(async tx => await work(unit(tx))),
    }
  }
  const documents = rows(db)
  const file = (name: string) => new File([name], `${name}.txt`)
  return {
    ...unit(db),
    transaction: async work => await db.transaction(async tx => await work(unit(tx))),
    names,
    bulk: {
      'insert of many': title =>
        documents.insert(
          { title: `${title}2`, normal: file('x') },
          { title: `${title}3`, normal: file('y') },
        ),
      'delete of many': async () => documents.delete(...(await documents.find())),
      'delete of the table': () => others.remove(),
      'update of names': () => others.change({ normal: 'other' as never }),
      'update of other columns': () => others.change({ width: 1 }),
      upsert: title => others.upsert(title),
      'delete in raw SQL': title => others.run(sql`DELETE FROM documents WHERE title = ${title}`),
      'update in raw SQL': () => others.run(sql`UPDATE documents SET normal = 'x'`),
      'update of other columns in raw SQL': () => others.run(sql`UPDATE documents SET width = 1`),
    },
    close,
  }
}
