import type { Model, ModelStatic } from 'sequelize'

/** Options that let a statement see every row that the database has, as it has them now. */
export const everyRow = { paranoid: false, hooks: false, useMaster: true } as const

/** With a schema the name is an object. */
export function tableOf(model: ModelStatic<Model>): {
  readonly key: string
  readonly table: string
} {
  const name = model.getTableName()
  if (typeof name === 'string') return { key: name, table: name }
  return { key: `${name.schema}.${name.tableName}`, table: name.tableName }
}

export function modelOf(row: Model): ModelStatic<Model> {
  return row.constructor as ModelStatic<Model>
}

/** Whether a row that is deleted is only marked, and can be restored. */
export function marksDeleted({ options }: ModelStatic<Model>): boolean {
  return options.paranoid === true && options.timestamps !== false
}
