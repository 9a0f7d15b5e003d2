import type { EntityMetadata } from 'typeorm'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { columnsKey, type Prototype } from './column.ts'

/** TypeORM writes what is in an embedded object with its entity, and tells nobody. */
export function refuseEmbedded({ allEmbeddeds, tableName }: EntityMetadata): void {
  for (const { type, propertyPath } of allEmbeddeds) {
    const columns = typeof type === 'function' && (type.prototype as Prototype)[columnsKey]
    if (!columns) continue
    const [column = ''] = columns.keys()
    throw new ImproperlyConfigured(
      `"${propertyPath}.${column}" of "${tableName}" is a file in an embedded object: give the files to the entity itself.`,
      { setting: column },
    )
  }
}
