import type { Document, Schema } from 'mongoose'
import { UnavailableError } from '../../core/errors.ts'
import { FieldFile } from '../../fields/field-file.ts'
import { currentScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names } from '../../fields/row-writes.ts'
import type { FileFields } from '../../fields/rows.ts'
import { currentNames, openScope, sessionOf } from './document.ts'

/** A document is deleted with the files that it has by then. */
export function followDeletion(schema: Schema, fields: FileFields, deleting: Set<string>): void {
  const paths = Object.keys(fields)
  const previous = new WeakMap<Document, Names>()
  const onDocument = { document: true, query: false } as const
  schema.pre('deleteOne', onDocument, async function (this: Document) {
    openScope(sessionOf(this))
    const names = await currentNames(this, paths, sessionOf(this))
    if (names === null) {
      deleting.add(String(this._id))
      return
    }
    previous.set(this, names)
    deleting.add(String(this._id))
    this.$where = { ...this.$where, ...names }
  })
  schema.post('deleteOne', onDocument, async function (this: Document) {
    const names = previous.get(this)
    if (names === undefined) return
    Object.assign(this, { $where: undefined })
    if ((await currentNames(this, paths, sessionOf(this))) !== null) {
      throw new UnavailableError('The document was changed by others while it was deleted.')
    }
    const files = paths.flatMap(path => {
      const file: unknown = this.get(path)
      return file instanceof FieldFile ? [[path, file] as const] : []
    })
    await leaveRow(currentScope(), files, names)
  })
}
