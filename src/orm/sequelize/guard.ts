import type { Model, ModelStatic } from 'sequelize'
import { bypass } from '../../fields/bypass.ts'
import { type FieldFile, isPending } from '../../fields/field-file.ts'
import type { FileModel } from '../../fields/file-models.ts'

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
  const refuseContent = (rows: readonly Model[]): void => {
    const isWaiting = (row: Model): boolean =>
      names.some(name => (row.get(name as never) as FieldFile | undefined)?.[isPending])
    if (rows.some(isWaiting)) throw bypass('bulkCreate()', names, oneByOne)
  }
  model.addHook('beforeBulkCreate', (rows, options) => {
    const replaced = names.filter(name => options.updateOnDuplicate?.includes(name as never))
    if (replaced.length > 0) throw bypass('bulkCreate()', replaced, 'create() or save()')
    if (options.individualHooks !== true) refuseContent(rows)
  })
  const { bulkCreate } = model
  model.bulkCreate = async function (this: ModelStatic<Model>, records, options) {
    if (options?.hooks === false && options.individualHooks !== true)
      refuseContent(records.map(values => this.build(values)))
    return await bulkCreate.call(this, records, options)
  } as typeof bulkCreate
}

const oneByOne = 'create(), or individualHooks: true'

function marksDeleted({ options }: ModelStatic<Model>): boolean {
  return options.paranoid === true && options.timestamps !== false
}
