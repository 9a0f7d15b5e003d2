import type { Schema } from 'mongoose'
import { bypass } from '../../fields/bypass.ts'
import { FieldFile, isPending } from '../../fields/field-file.ts'
import type { FileFields } from '../../fields/rows.ts'
import { valueAt } from './document.ts'

/** Ways that change many documents at once go past their files. */
export function guardQueries(schema: Schema, fields: FileFields, deleting: Set<string>): void {
  const paths = Object.keys(fields)
  const cleans = Object.values(fields).some(field => field.onDelete === 'cleanup')
  const touches = (update: unknown): boolean =>
    typeof update === 'object' &&
    update !== null &&
    Object.entries(update).some(
      ([key, value]) =>
        paths.some(path => path === key || path.startsWith(`${key}.`)) ||
        (key === '$rename' && paths.some(path => Object.values(Object(value)).includes(path))) ||
        (key.startsWith('$') && touches(value)),
    )
  const waits = (document: unknown): boolean =>
    paths.some(path => {
      const value = valueAt(document, path)
      return typeof value === 'object' && value !== null && !isStored(value)
    })
  schema.pre(
    ['updateOne', 'updateMany', 'findOneAndUpdate', 'replaceOne', 'findOneAndReplace'],
    { document: false, query: true },
    function () {
      const update: unknown = this.getUpdate()
      const replaces = /replace/i.test(String(Reflect.get(this, 'op')))
      if (replaces || [update].flat().some(touches))
        throw bypass('A query', paths, 'save() of the documents')
    },
  )
  schema.pre(
    ['deleteOne', 'deleteMany', 'findOneAndDelete'],
    { document: false, query: true },
    function () {
      if (deleting.delete(String(this.getFilter()['_id']))) return
      if (cleans) throw bypass('A query', paths, 'deleteOne() of the documents')
    },
  )
  schema.pre('insertMany', (documents: unknown) => {
    if ([documents].flat().some(waits)) throw bypass('insertMany()', paths, 'create()')
  })
  schema.pre('bulkWrite', (operations: unknown) => {
    for (const operation of [operations].flat().flatMap(one => Object.entries(Object(one)))) {
      const [kind, what] = operation
      const deletes = kind.startsWith('delete') && cleans
      if (deletes || kind === 'replaceOne' || touches(Reflect.get(Object(what), 'update')))
        throw bypass('bulkWrite()', paths, 'save() and deleteOne() of the documents')
      if (waits(Reflect.get(Object(what), 'document')))
        throw bypass('bulkWrite()', paths, 'create()')
    }
  })
}

function isStored(value: object): boolean {
  return value instanceof FieldFile && !value[isPending]
}
