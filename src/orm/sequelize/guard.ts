import type { Model, ModelStatic, Sequelize } from 'sequelize'
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
  model.addHook('beforeBulkCreate', (rows, options) => {
    if (options.individualHooks === true) return
    const waits = rows.some(row =>
      names.some(name => (row.get(name as never) as FieldFile)[isPending]),
    )
    const replaces = names.some(name => options.updateOnDuplicate?.includes(name as never))
    if (waits || replaces) throw bypass('bulkCreate()', names, 'create(), or individualHooks: true')
  })
}

/** @throws ImproperlyConfigured for rows that the database deletes with those of another table */
export function refuseCascades(
  sequelize: Sequelize,
  model: ModelStatic<Model>,
  files: FileModel,
): void {
  for (const { references, onDelete } of Object.values(model.getAttributes())) {
    if (references === undefined || !/^cascade$/i.test(onDelete ?? '')) continue
    const handled = Object.values(sequelize.models)
      .flatMap(parent => Object.values(parent.associations))
      .some(association => association.target === model && hasHooks(association))
    if (!handled) files.refuseCascade(model.name, 'give the association hooks: true')
  }
}

function marksDeleted({ options }: ModelStatic<Model>): boolean {
  return options.paranoid === true && options.timestamps !== false
}

/** Whether deleting the parent deletes the rows one by one. */
function hasHooks(association: object): boolean {
  const options: unknown = Reflect.get(association, 'options')
  return typeof options === 'object' && options !== null && Reflect.get(options, 'hooks') === true
}
