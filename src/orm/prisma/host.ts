import { isDeepStrictEqual } from 'node:util'
import type { FieldFile } from '../../fields/field-file.ts'
import type { FieldHost } from '../../fields/field-host.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { isOperation, type Values } from './client.ts'
import type { Transaction } from './transactions.ts'

/** What the files of a row need of their extension. */
export interface RowWriter {
  /** The transaction whose function the program is in. */
  readonly running: Transaction | undefined
  /** Writes the column of a row that has the file. */
  persist(
    model: string,
    row: Values,
    file: FieldFile,
    transaction: Transaction | undefined,
  ): Promise<void>
  /** Number of rows that name a file of this storage, as a transaction sees them. */
  uses(storage: unknown, name: string, transaction: Transaction | undefined): Promise<number>
}

/** A row as its files see it; they share one, since many are made. */
export class PrismaHost implements FieldHost {
  readonly owner: Values
  readonly #writer: RowWriter
  readonly #model: string
  readonly #given: Transaction | undefined
  readonly #shown: Values

  /**
   * @param given the transaction that the row comes from
   * @param shown what the user has of the row, where that is not all of it
   */
  constructor(
    writer: RowWriter,
    model: string,
    given: Transaction | undefined,
    row: Values,
    shown: Values = row,
  ) {
    this.#writer = writer
    this.#model = model
    this.#given = given
    this.owner = row
    this.#shown = shown
  }

  /** Whether it is the row that a unique condition is for; false where the row does not show that. */
  isOf(model: string, where: Values): boolean {
    if (model !== this.#model) return false
    // Beside the unique columns there may be further conditions.
    const values = Object.entries(where).filter(
      ([, value]) => value !== undefined && !Array.isArray(value) && !isOperation(value),
    )
    const isSame = values.every(([column, value]) => isDeepStrictEqual(this.owner[column], value))
    return isSame && values.length > 0
  }

  /** Rows are what a query gave: a write is made of the file itself. */
  setName(): void {}

  setColumn(column: string, value: number | null): void {
    for (const row of [this.owner, this.#shown]) if (column in row) row[column] = value
  }

  async persist(file: FieldFile): Promise<void> {
    await this.#writer.persist(this.#model, this.owner, file, this.#transaction)
  }

  scope(): FileScope | undefined {
    return this.#transaction?.scope
  }

  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    return await this.#writer.uses(storage, name, isOver ? undefined : this.#transaction)
  }

  /** The row's own, while it is open, else the one that is running. */
  get #transaction(): Transaction | undefined {
    return this.#given?.open ?? this.#writer.running
  }
}
