import type { FileField } from '../../fields/file-field.ts'
import type { FileModels } from '../../fields/file-models.ts'
import type { Client } from './client.ts'

/** On a client: the file columns of all its extensions. */
const filesKey: unique symbol = Symbol('stowage.prisma.files')

/** The file columns of a client; rows that one extension knows may name a file of another one's. */
export class ClientFiles {
  readonly #models = new Map<string, Map<string, Set<FileField>>>()

  /** The same one for all clients that are extensions of one. */
  static of({ _originalClient }: Client): ClientFiles {
    const known: { [filesKey]?: ClientFiles; readonly _appliedParent: unknown } = _originalClient
    known[filesKey] ??= new ClientFiles()
    return known[filesKey]
  }

  add(files: FileModels<string>): void {
    for (const [model, { fields }] of files) {
      const columns = this.#models.get(model) ?? new Map<string, Set<FileField>>()
      this.#models.set(model, columns)
      for (const [column, field] of Object.entries(fields))
        columns.set(column, (columns.get(column) ?? new Set()).add(field))
    }
  }

  /** Number of rows that name a file: the sum of what `count` says of each model that has such columns. */
  async uses(
    storage: unknown,
    count: (model: string, columns: readonly string[]) => Promise<number>,
  ): Promise<number> {
    let total = 0
    for (const [model, columns] of this.#models) {
      const own = [...columns].filter(([, fields]) =>
        [...fields].some(field => field.storage === storage),
      )
      if (own.length > 0)
        total += await count(
          model,
          own.map(([column]) => column),
        )
    }
    return total
  }
}
