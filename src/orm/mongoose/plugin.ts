import type { Model, Schema } from 'mongoose'
import type { FileFields } from '../../fields/rows.ts'
import { ConnectionFiles } from './connection.ts'
import { addPath } from './paths.ts'

/**
 * Makes paths of a schema files: `schema.plugin(filePlugin({ avatar: field }))`. The paths are strings
 * in the database; `''` stands for no file. A transaction stands in `fileTransaction`:
 * `fileTransaction(() => connection.transaction(async session => …))`.
 */
export function filePlugin(fields: FileFields): (schema: Schema) => void {
  return schema => {
    for (const [path, field] of Object.entries(fields)) addPath(schema, path, field)
    schema.on('init', (model: typeof Model) => ConnectionFiles.of(model.db).meet(model))
  }
}
