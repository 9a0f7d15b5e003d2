import type { FileModels } from '../../fields/file-models.ts'
import { type DataModel, isValues, memberOf, type Values } from './client.ts'
import { givenIn, putDefaults, unnamed } from './file-data.ts'

type DataIn = Readonly<Record<string, (given: Values) => unknown[]>>

/** The data of new rows in the arguments of nested writes. */
const newIn: DataIn = {
  create: given => [given],
  createMany: given => [given['data']],
  connectOrCreate: given => [given['create']],
  upsert: given => [given['create']],
}

/** That of rows that are there; `update` takes it as it is, too. */
const changedIn: DataIn = {
  update: given => [given, given['data']],
  updateMany: given => [given['data']],
  upsert: given => [given['update']],
}

/**
 * Names the default files of new rows in the writes of other ones.
 *
 * @throws UnsupportedError for writes of other files, and deletions of rows with files
 */
export function enterNested(
  models: DataModel['models'],
  files: FileModels<string>,
  model: string,
  data: Values,
): void {
  for (const { name, kind, type } of models[model]?.fields ?? []) {
    const nested = data[name]
    if (kind !== 'object' || !isValues(nested)) continue
    const own = files.of(type)
    const member = memberOf(type)
    for (const [operation, given] of Object.entries(nested)) {
      const all = [given].flat().filter(value => value !== undefined && value !== false)
      if (operation.startsWith('delete') && all.length > 0)
        own?.refuseDeletion(`a nested ${operation}`, `delete() of ${member}`)
      for (const known of [newIn, changedIn]) {
        const written = all.filter(isValues).flatMap(value => known[operation]?.(value) ?? [])
        for (const value of written.flat().filter(isValues)) {
          const values = givenIn(value, own?.properties ?? [])
          const fields = own?.fields ?? {}
          const refused = known === newIn ? unnamed(values, fields) : values
          own?.refuseWrite(refused, `a nested ${operation}`, `create() and update() of ${member}`)
          if (known === newIn) putDefaults(value, fields)
          enterNested(models, files, type, value)
        }
      }
    }
  }
}
