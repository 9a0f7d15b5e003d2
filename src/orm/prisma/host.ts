import type { FieldFile, FieldHost } from '../../fields/field-file.ts'
import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import type { Values } from './client.ts'

/** What the files of a row need of their extension. */
export interface RowWriter {
  /** Writes the column of a row that has the file. */
  persist(model: string, row: Values, file: FieldFile): Promise<void>
  /** Number of rows that name a file of this storage. */
  uses(storage: unknown, name: string): Promise<number>
}

/** A row as its files see it; they share one, since many are made. */
export class PrismaHost implements FieldHost {
  readonly owner: Values
  readonly #writer: RowWriter
  readonly #model: string
  readonly #shown: Values

  /** @param shown what the user has of the row, where that is not all of it */
  constructor(writer: RowWriter, model: string, row: Values, shown = row) {
    this.#writer = writer
    this.#model = model
    this.owner = row
    this.#shown = shown
  }

  /** Rows are what a query gave: a write is made of the file itself. */
  setName(): void {}

  setColumn(column: string, value: number | null): void {
    for (const row of [this.owner, this.#shown]) if (column in row) row[column] = value
  }

  async persist(file: FieldFile): Promise<void> {
    await this.#writer.persist(this.#model, this.owner, file)
  }

  scope(): FileScope | undefined {
    return currentScope()
  }

  async uses(name: string, storage: unknown): Promise<number> {
    return await this.#writer.uses(storage, name)
  }
}
