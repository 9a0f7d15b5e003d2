import type { EntityMetadata } from 'typeorm'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { columnsKey, type Property, type Prototype } from './registration.ts'

type Column = EntityMetadata['columns'][number]

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

/**
 * The column that `@FileColumn()` has made.
 *
 * @throws ImproperlyConfigured for a class that an `EntitySchema` describes, with columns of its own
 */
export function ownColumn(metadata: EntityMetadata, { property }: Property): Column {
  const column = metadata.findColumnWithPropertyName(property)
  if (column?.transformer !== undefined) return column
  throw new ImproperlyConfigured(
    `"${property}" of ${metadata.name} is a file, of which an EntitySchema knows nothing: describe the class by decorators, @Entity() and @Column().`,
    { setting: property },
  )
}

/** A property that the constructor defines hides its accessor from every row. */
export function refuseHidden(
  metadata: EntityMetadata,
  columns: Iterable<readonly [column: unknown, file: Property]>,
): void {
  // Made as TypeORM itself makes one to look at it when it starts.
  const row = metadata.create(undefined, { fromDeserializer: true })
  for (const [, { property }] of columns) {
    if (!Object.hasOwn(row, property)) continue
    throw new ImproperlyConfigured(
      `The constructor of ${metadata.name} defines "${property}", and hides its files: write \`declare ${property}: FieldFile\`, or set "useDefineForClassFields" to false.`,
      { setting: property },
    )
  }
}
