import {
  DataTypes,
  type Model,
  type ModelAttributeColumnOptions,
  type Transaction,
} from 'sequelize'
import { ImproperlyConfigured } from '../../core/errors.ts'
import type { FieldFile, FileInput } from '../../fields/field-file.ts'
import { type FieldHost, isPending } from '../../fields/field-host.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { fileOfRow } from '../../fields/rows.ts'
import { rootOf } from './transactions.ts'

/** On the getter of an attribute: its field. Sequelize copies attributes, but not their functions. */
export const fieldKey: unique symbol = Symbol('stowage.sequelize.field')
/** On a model's prototype: the files of its Sequelize. */
export const registrationKey: unique symbol = Symbol('stowage.sequelize.registration')

/** What the files of a row need of its Sequelize. */
export interface Registration {
  /** The transaction that its files are changed in if nobody names one. */
  transactionOf(row: Model): Transaction | undefined
  scopeOf(transaction: Transaction): FileScope
  /** @param transaction default: none, which sees what is committed */
  uses(storage: unknown, name: string, transaction?: Transaction): Promise<number>
}

/**
 * A file column: `avatar: fileAttribute(field)` in `Model.init`, declared as
 * `CreationOptional<FieldFile>`. It is never null; `''` stands for no file.
 */
export function fileAttribute(field: FileField): ModelAttributeColumnOptions {
  checkField('fileAttribute()', field)
  // Called with the attribute's name, which the types do not say.
  function get(this: Model, ...[attribute]: unknown[]): FieldFile {
    return fileOf(this, String(attribute), field)
  }
  return {
    type: DataTypes.STRING(field.maxLength),
    allowNull: false,
    defaultValue: field.default ?? '',
    get: Object.assign(get, { [fieldKey]: field }),
    set(this: Model, value: unknown, ...[attribute]: unknown[]): void {
      // A row is written without what is `undefined`.
      if (value !== undefined) fileOf(this, String(attribute), field).assign(value as FileInput)
    },
  }
}

function fileOf(row: Model, attribute: string, field: FileField): FieldFile {
  const value: unknown = row.getDataValue(attribute as never)
  return fileOfRow(row, attribute, value, name => field.file(name, new RowHost(row, attribute)))
}

/** A row as its files see it. */
class RowHost implements FieldHost {
  readonly owner: Model
  readonly attribute: string

  constructor(row: Model, attribute: string) {
    this.owner = row
    this.attribute = attribute
  }

  setName(name: string | null, isChanged: boolean): void {
    this.owner.setDataValue(this.attribute as never, (name ?? '') as never)
    // Content that waits changes no value; Sequelize would not write the row.
    this.owner.changed(this.attribute as never, isChanged)
    const file = this.owner.get(this.attribute as never) as FieldFile
    if (file[isPending]) registrationOf(this.owner)
  }

  setColumn(column: string, value: number | null): void {
    this.owner.set(column as never, value as never)
  }

  get isUnread(): boolean {
    const { owner, attribute } = this
    return !owner.isNewRecord && owner.getDataValue(attribute as never) === undefined
  }

  async persist(): Promise<void> {
    this.owner.changed(this.attribute as never, true)
    const transaction = this.#files.transactionOf(this.owner)
    await this.owner.save(transaction && { transaction })
  }

  get line(): Transaction | undefined {
    return rootOf(this.#files.transactionOf(this.owner))
  }

  scope(): FileScope | undefined {
    const transaction = this.#files.transactionOf(this.owner)
    return transaction && this.#files.scopeOf(transaction)
  }

  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    const transaction = isOver ? undefined : this.#files.transactionOf(this.owner)
    return await this.#files.uses(storage, name, transaction)
  }

  get #files(): Registration {
    return registrationOf(this.owner)
  }
}

/** @throws ImproperlyConfigured without one: nothing would store files, or count who names them */
function registrationOf(row: Model & { [registrationKey]?: Registration }): Registration {
  const files = row[registrationKey]
  if (files !== undefined) return files
  throw new ImproperlyConfigured(
    `Nobody knows the files of ${row.constructor.name}: call registerFiles(sequelize).`,
    { setting: 'registerFiles' },
  )
}
