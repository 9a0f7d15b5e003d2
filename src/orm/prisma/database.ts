import { ImproperlyConfigured } from '../../core/errors.ts'
import { databaseAnswer } from '../../fields/database-answer.ts'
import { countUses, mostUses } from '../../fields/file-models.ts'
import {
  type Client,
  type DataModel,
  type Delegate,
  delegateOf,
  type ModelShape,
  memberOf,
  type PrismaPromise,
  type Values,
} from './client.ts'
import { ClientFiles } from './client-files.ts'
import { type Key, PrismaSchema } from './schema.ts'
import { type Transaction, Unanswered } from './transactions.ts'

/** Databases in which a write says whether its condition was met. */
const returning: readonly unknown[] = ['sqlite', 'postgresql', 'cockroachdb']

/**
 * The database of a client, as it is: what is looked up for files goes past all extensions, which may hide
 * rows (those marked as deleted, those of other tenants) or ask a replica that lags behind.
 */
export class PrismaDatabase {
  /** Whether a write says whether its condition was met. */
  readonly isReturning: boolean
  readonly models: DataModel['models']
  readonly schema: PrismaSchema
  readonly files: ClientFiles
  readonly unanswered: Unanswered = new Unanswered()
  readonly #plain: Client
  readonly #unrestricted: Client | undefined
  readonly #keys: Readonly<Record<string, string | undefined>>
  /** Whether rows of a model are hidden from the connections of the client, by model. */
  readonly #hidden = new Map<string, Promise<boolean>>()

  /**
   * @param keys unique columns, by the members of their models
   * @param unrestricted a client whose connections see all rows
   * @throws ImproperlyConfigured if that is none
   */
  constructor(
    client: Client,
    keys: Readonly<Record<string, string | undefined>>,
    unrestricted: Partial<Client> | undefined,
  ) {
    const { _engineConfig, _runtimeDataModel, _originalClient } = client
    this.#plain = _originalClient._appliedParent
    this.#unrestricted = unrestricted?._originalClient?._appliedParent
    if (unrestricted !== undefined && this.#unrestricted === undefined)
      throw new ImproperlyConfigured('"unrestricted" takes a PrismaClient.', {
        setting: 'unrestricted',
      })
    this.#keys = keys
    this.isReturning = returning.includes(_engineConfig.activeProvider)
    this.models = _runtimeDataModel.models
    this.schema = new PrismaSchema(_engineConfig.inlineSchema)
    this.files = ClientFiles.of(client)
  }

  /** @throws ImproperlyConfigured for a model without an id */
  keyOf(model: string): Key {
    const key = this.findKey(model)
    if (key !== undefined) return key
    const given = this.#keys[memberOf(model)]
    throw new ImproperlyConfigured(
      `${model} has no ${given === undefined ? '@id' : `column "${given}"`}; say which column is unique: fileExtension(files, { keys: { ${memberOf(model)}: 'column' } }).`,
      { setting: 'keys' },
    )
  }

  findKey(model: string): Key | undefined {
    return this.schema.keyOf(model, this.models[model], this.#keys[memberOf(model)])
  }

  shapeOf(model: string): ModelShape | undefined {
    return this.models[model]
  }

  /** The schema of a model's table, in databases that have any. */
  readonly schemaOf = ({ schema }: ModelShape): string | undefined => {
    const { activeProvider, adapter } = this.#plain._engineConfig
    if (activeProvider !== 'postgresql') return schema ?? undefined
    return schema ?? adapter?.options?.schema ?? 'public'
  }

  /** Columns that the client leaves out of results unless it is asked for them. */
  omitOf(model: string): Values {
    return this.#plain._globalOmit?.[memberOf(model)] ?? {}
  }

  /** A query of our own. */
  async ask<T>(
    model: string,
    transaction: Transaction | undefined,
    query: (delegate: Delegate) => PrismaPromise<T>,
  ): Promise<T> {
    const open = transaction?.open
    if (open === undefined) return await query(delegateOf(this.#unrestricted ?? this.#plain, model))
    for (;;) {
      const promise = query(delegateOf(this.#plain, model))
      const result: T | undefined = await this.unanswered.during(open.handle, () =>
        promise.requestTransaction(open.handle),
      )
      // Prisma has left it out, behind another query of the transaction that has failed.
      if (result !== undefined) return result
    }
  }

  /** Number of rows that name a file, as a transaction sees them, or else everybody. */
  async uses(
    storage: unknown,
    name: string,
    transaction: Transaction | undefined,
  ): Promise<number> {
    return await this.files.uses(storage, async (model, columns) => {
      if (transaction?.open === undefined) await this.requireAllRows(model)
      const where = { OR: columns.map(column => ({ [column]: name })) }
      const select = Object.fromEntries(columns.map(column => [column, true]))
      const rows = await this.ask(model, transaction, own =>
        own.findMany({ where, select, take: mostUses }),
      )
      return countUses(rows, columns, name)
    })
  }

  /** @throws ImproperlyConfigured where the policies of a table hide rows from whoever counts them */
  async requireAllRows(model: string): Promise<void> {
    if (this.#unrestricted !== undefined || !(await this.#isHidden(model))) return
    throw new ImproperlyConfigured(
      `Row level security hides rows of ${model} from this client, and nobody can tell whether a file is still in use: give fileExtension(files, { unrestricted: client }) a client whose role sees all rows.`,
      { setting: 'unrestricted' },
    )
  }

  async #isHidden(model: string): Promise<boolean> {
    const shape = this.models[model]
    if (shape === undefined || this.#plain._engineConfig.activeProvider !== 'postgresql')
      return false
    const known = this.#hidden.get(model)
    if (known !== undefined) return await known
    const table = [this.schemaOf(shape), shape.dbName ?? model].map(part => `"${part}"`).join('.')
    const sql = 'SELECT coalesce(row_security_active(to_regclass($1)), false) AS active'
    const asked = Promise.resolve(this.#plain.$queryRawUnsafe(sql, table)).then(
      ([row]) => row?.['active'] === true,
      error => {
        // Some databases speak PostgreSQL's language, and have no policies.
        if (databaseAnswer(error) === 'answered') return false
        this.#hidden.delete(model)
        throw error
      },
    )
    this.#hidden.set(model, asked)
    return await asked
  }
}
