import type { FileModels } from '../../fields/file-models.ts'
import { type DataModel, isValues, memberOf, type Values } from './client.ts'
import { givenIn, unnamed } from './file-data.ts'

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

/** @throws UnsupportedError for writes of files, and deletions of rows with files, in those of other rows */
export function refuseNested(
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
          const refused = known === newIn ? unnamed(values, own?.fields ?? {}) : values
          own?.refuseWrite(refused, `a nested ${operation}`, `create() and update() of ${member}`)
          refuseNested(models, files, type, value)
        }
      }
    }
  }
}
