import {
  type EntityManager,
  type EntityMetadata,
  type EntityProperty,
  helper,
  type Platform,
  type PrimaryKeyProp,
  type PropertyChain,
  p,
  TransactionContext,
  type TransformContext,
  Type,
} from '@mikro-orm/core'
import { ImproperlyConfigured, UnsupportedError } from '../../core/errors.ts'
import { bypass, vanished } from '../../fields/bypass.ts'
import { FieldFile, type FileInput } from '../../fields/field-file.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { PropertyHost, rowFields } from '../../fields/rows.ts'
import {
  columnMap,
  columnsKey,
  columnsOf,
  EntityFile,
  makersKey,
  managerOfRow,
  type Prototype,
  type Row,
} from './columns.ts'
import { filesOf } from './driver-files.ts'

/** What MikroORM's own types ask of the file of a row; none of it is there. */
export interface FileTypes {
  /** What it may be given. */
  __runtime?: FileInput
  __raw?: string
  /** What JSON has of it. */
  __serialized?: string
  /** What conditions compare with it. */
  [PrimaryKeyProp]?: string
}

/**
 * A file column: `avatar: fileProperty(field)` in `defineEntity`. It is never null; `''` stands for no
 * file. {@link FileSubscriber} belongs to it.
 */
export function fileProperty<F extends FileField>(
  field: F,
): PropertyChain<ReturnType<F['file']> & FileTypes, { default: string; length: number }> {
  checkField('fileProperty()', field)
  // MikroORM clones its metadata with everything in it: the field stays in the closure.
  class FileType extends StoredName {
    get field(): FileField {
      return field
    }
  }
  const column = p.type(FileType).$type<FieldFile>().length(field.maxLength)
  return column.default(field.default ?? '') as never
}

/** The column's value: a name in the database, and in memory until somebody asks for the file. */
abstract class StoredName extends Type<unknown, string | undefined> {
  abstract get field(): FileField

  /** Called while the entities are discovered: the prototype gets its accessor then. */
  override getColumnType(prop: EntityProperty, platform: Platform): string {
    if (this.meta !== undefined) {
      addAccessor(this.meta, prop, this.field)
      filesOf(platform.getConfig()).meet(this.meta)
    }
    return platform.getVarcharTypeDeclarationSQL({ length: this.field.maxLength })
  }

  override convertToJSValue(value: string | undefined): unknown {
    return value
  }

  override convertToDatabaseValue(
    value: unknown,
    _platform: Platform,
    context?: TransformContext,
  ): string | undefined {
    if (context?.mode === 'query-data' && value !== undefined)
      throw bypass('A native query', [this.prop?.name ?? 'the column'], 'entities and flush()')
    if (!(value instanceof FieldFile)) return typeof value === 'string' ? value : undefined
    const own = columnOf(value)
    return own === undefined ? (value.name ?? '') : (own[1].stored(own[0]) ?? undefined)
  }

  override compareAsType(): string {
    return 'string'
  }

  /** What is assigned may be a name, content or a file; MikroORM would refuse all but a `string`. */
  override get runtimeType(): string {
    return 'any'
  }

  override ensureComparable(): boolean {
    return false
  }

  /** What was not read is left out, as MikroORM does. */
  override toJSON(value: unknown): string | undefined {
    if (!(value instanceof FieldFile))
      return this.convertToDatabaseValue(value, this.platform as Platform)
    const [row, column] = columnOf(value) ?? []
    const isUnread = row !== undefined && column?.isUntold(row) === true
    return isUnread && helper(row).__managed === true ? undefined : String(value)
  }
}

/** The column of a file that is its row's. */
function columnOf(file: FieldFile): readonly [row: Row, column: EntityFile] | undefined {
  const row = file.owner as Row | null
  const column = row && columnsOf(row).find(known => known.peek(row) === file)
  return row && column ? [row, column] : undefined
}

function addAccessor(meta: EntityMetadata, prop: EntityProperty, field: FileField): void {
  if (meta.embeddable === true || prop.embedded !== undefined)
    throw embedded(meta.className, prop.name)
  const prototype: Prototype & object = meta.prototype as object
  // Rows of another MikroORM may have files already.
  const known = columnMap(prototype).get(prop.name)
  const column =
    known?.field === field
      ? known
      : new EntityFile(prop.name, field, (row, of) => new EntityHost(row, of))
  field.attach(meta.tableName || meta.className, prop.fieldNames?.[0] ?? prop.name, prop.name)
  prototype[makersKey] ??= new WeakMap()
  prototype[columnsKey] = new Map([...columnMap(prototype), [prop.name, column]])
  prototype[rowFields] = { ...prototype[rowFields], [prop.name]: field }
  // MikroORM uses accessors of the prototype for what says so, and leaves them alone.
  prop.accessor = prop.name
  prop.getter = true
  prop.setter = true
  column.defineOn(prototype, { configurable: true, enumerable: true })
}

/** A row as its files see it. */
class EntityHost extends PropertyHost<Row> {
  async persist(): Promise<void> {
    const em = this.#em()
    const files = filesOf(em)
    if (files.deleted.has(this.owner)) throw vanished(this.owner.constructor.name)
    await files.inTurn(em, () => em.persist(this.owner).flush())
  }

  scope(): FileScope | undefined {
    const em = managerOf(this.owner)
    return em && filesOf(em).scopeOf(em)
  }

  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    const em = this.#em()
    const files = filesOf(em)
    const keepTransactionContext = !isOver && files.isOpen(em)
    const counting = em.fork({ clear: true, keepTransactionContext })
    return await files.uses(counting, this.owner, storage, name)
  }

  protected override get isStored(): boolean {
    return helper(this.owner).__managed === true
  }

  #em(): EntityManager {
    const em = managerOf(this.owner)
    if (em !== undefined) return em
    throw new UnsupportedError(
      'The entity belongs to no EntityManager yet: em.persist() it first.',
      {
        operation: 'save',
      },
    )
  }
}

/** The manager that a row is written by: that of the transaction which is running, though it came from another. */
function managerOf(row: Row): EntityManager | undefined {
  const own = managerOfRow(row)
  if (own === undefined) return undefined
  const running = TransactionContext.currentTransactionContext()?.em
  const files = filesOf(own)
  return running !== undefined && files.isFor(running, own) ? running : files.alive(own)
}

function embedded(model: string, column: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `"${column}" is a file in the embeddable of ${model}, which MikroORM tells nobody about: give the files to the entity itself.`,
    { setting: column },
  )
}
