import type { Document, Model, Schema } from 'mongoose'
import { type FileFields, rowFields } from '../../fields/rows.ts'
import { followDeletion } from './deletion.ts'
import { modelOf } from './document.ts'
import { guardQueries } from './guard.ts'
import { addPath, fieldsOf } from './paths.ts'
import { type SaveOptions, saveWithFiles } from './saving.ts'

/**
 * Makes paths of a schema files: `schema.plugin(filePlugin({ avatar: field }))`. The paths are strings
 * in the database; `''` stands for no file. A transaction stands in `fileTransaction`:
 * `fileTransaction(() => connection.transaction(async session => …))`.
 */
export function filePlugin(fields: FileFields): (schema: Schema) => void {
  return schema => {
    for (const [path, field] of Object.entries(fields)) addPath(schema, path, field)
    schema.on('init', (model: typeof Model) => {
      const { collectionName } = model.collection
      const all = fieldsOf(model.schema)
      for (const [path, field] of Object.entries(all)) field.attach(collectionName, path)
      const toRow = (document: Document): object =>
        document.toObject({ getters: false, virtuals: false })
      const own = Object.create({ toRow }, Object.getOwnPropertyDescriptors(all))
      Object.assign(model.prototype, { [rowFields]: own })
    })
    // create() calls it under its other name.
    for (const name of ['save', '$save']) {
      function save(this: Document, options: SaveOptions = {}): Promise<unknown> {
        return saveWithFiles(this, fieldsOf(modelOf(this).schema), options)
      }
      schema.method(name, save, { suppressWarning: true })
    }
    // Documents that are about to be deleted: Mongoose makes a query of it, which is no query of ours.
    const deleting = new Set<string>()
    followDeletion(schema, fields, deleting)
    guardQueries(schema, fields, deleting)
  }
}
