import { bypass } from '../../fields/bypass.ts'
import type { FileModels } from '../../fields/file-models.ts'
import { type DataModel, isValues, memberOf, type Values } from './client.ts'

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
    const columns = files.of(type)?.properties ?? []
    for (const [operation, given] of Object.entries(nested)) {
      if (columns.length > 0 && operation.startsWith('delete'))
        throw bypass(`a nested ${operation}`, columns, `delete() of ${memberOf(type)}`)
      for (const value of [given].flat().flatMap(partsOf)) {
        if (columns.some(column => column in value))
          throw bypass(`a nested ${operation}`, columns, `${operation}() of ${memberOf(type)}`)
        refuseNested(models, files, type, value)
      }
    }
  }
}

/** The data in an argument of a nested write: itself, or what it holds. */
function partsOf(given: unknown): Values[] {
  if (!isValues(given)) return []
  return [given, given['data'], given['create'], given['update']].flat().filter(isValues)
}
