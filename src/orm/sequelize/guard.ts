import { type Model, type ModelStatic, QueryTypes } from 'sequelize'
import { bypass } from '../../fields/bypass.ts'
import type { FieldFile } from '../../fields/field-file.ts'
import { isPending } from '../../fields/field-host.ts'
import type { FileModel } from '../../fields/file-models.ts'
import { marksDeleted } from './table.ts'

/** Refuses the ways that change many rows at once, which go past their files. */
export function guardBulk(model: ModelStatic<Model>, files: FileModel): void {
  const names = files.properties
  model.addHook('beforeBulkUpdate', options => {
    files.refuseWrite(Reflect.get(options, 'attributes'), 'Model.update()', 'save() of the rows')
  })
  model.addHook('beforeUpsert', (values: object) => {
    files.refuseWrite(values, 'Model.upsert()', 'create() or save()')
  })
  model.addHook('beforeBulkDestroy', ({ force }) => {
    // Rows that are only marked as deleted can be restored, with their files.
    if (force === true || !marksDeleted(model))
      files.refuseDeletion('Model.destroy()', 'destroy() of the rows')
  })
  model.addHook('beforeBulkCreate', (_rows, options) => {
    const replaced = names.filter(name => options.updateOnDuplicate?.includes(name as never))
    if (replaced.length > 0) throw bypass('bulkCreate()', replaced, 'create() or save()')
  })
  refuseContent(model, names)
}

/** What has the hooks of all, those of the application behind ours. */
type Hooked = ModelStatic<Model> & {
  runHooks(type: string, ...args: unknown[]): Promise<void>
}

/** @throws UnsupportedError for content, also that of a hook, which would be stored for no row */
function refuseContent(model: ModelStatic<Model>, names: readonly string[]): void {
  const isWaiting = (row: Model): boolean =>
    names.some(name => (row.get(name as never) as FieldFile | undefined)?.[isPending])
  const { bulkCreate, runHooks } = model as Hooked
  Object.assign(model, {
    async bulkCreate(this: ModelStatic<Model>, records: object[], options: BulkOptions = {}) {
      const isUnhooked = options.hooks === false && options.individualHooks !== true
      if (isUnhooked && records.some(values => isWaiting(this.build(values as never))))
        throw bypass('bulkCreate()', names, oneByOne)
      return await bulkCreate.call(this, records as never, options)
    },
    async runHooks(this: Hooked, type: string, rows: unknown, options: BulkOptions, ...rest: []) {
      await runHooks.call(this, type, rows, options, ...rest)
      const [method, instead] = manyRows(type, options)
      if (method !== undefined && [rows].flat().some(row => isWaiting(row as Model)))
        throw bypass(method, names, instead)
    },
  })
}

interface BulkOptions {
  readonly hooks?: boolean
  readonly individualHooks?: boolean
  readonly type?: unknown
}

const oneByOne = 'create(), or individualHooks: true'

/** Behind which hooks the values of rows are written, and not the rows one by one. */
function manyRows(type: string, options: BulkOptions) {
  if (type === 'beforeBulkCreate' && options.individualHooks !== true)
    return ['bulkCreate()', oneByOne] as const
  // Model.update() calls it for each of the rows that it has found.
  if (type === 'beforeUpdate' && options.type === QueryTypes.BULKUPDATE)
    return ['Model.update()', 'save() of the rows'] as const
  return []
}
