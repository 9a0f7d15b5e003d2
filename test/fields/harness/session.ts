import type { Storage } from 'stowage'
import { type FieldFile, FileField, ImageField, type UploadTo } from 'stowage/fields'

/** A row of the table that every adapter's harness makes: `title` is unique and not null. */
export interface Row {
  title: string
  width: number | null
  height: number | null
  readonly normal: FieldFile
  readonly random: FieldFile
  readonly default: FieldFile
  readonly image: FieldFile
}

export interface Fields {
  readonly normal: FileField
  readonly random: FileField
  readonly default: FileField
  readonly image: ImageField
}

/** Work on rows, in a transaction or outside of one. */
export interface Unit {
  make(title: string): Row
  /** Writes a new or a changed row. */
  save(row: Row): Promise<void>
  remove(row: Row): Promise<void>
  find(title: string): Promise<Row>
  /** Reads a row so that no other transaction can change it. */
  lock?(title: string): Promise<Row>
  nested?<T>(work: (unit: Unit) => Promise<T>): Promise<T>
}

export interface Session extends Unit {
  transaction<T>(work: (unit: Unit) => Promise<T>): Promise<T>
  /** All names in the columns `normal`, `random`, `default` and `image`, as the database has them. */
  names(): Promise<(string | null)[]>
  /** Whether rows that a transaction has read are not written behind it, but found again. */
  readonly endsRows?: boolean
  /** Ways of the ORM that change many rows at once, or go past its rows. */
  readonly bulk: Readonly<Record<string, (name: string) => Promise<unknown>>>
  close(): Promise<void>
}

/** The fields of that table on a storage. */
export function fieldsOn(
  storage: Storage,
  {
    ids,
    random = '',
  }: { readonly ids?: string | undefined; readonly random?: string | UploadTo<object> } = {},
): Fields {
  const id = (column: string) => ids && `${column} of ${ids}`
  return {
    normal: new FileField({ storage, uploadTo: 'tests', id: id('normal') }),
    random: new FileField({ storage: () => storage, uploadTo: random, id: id('random') }),
    default: new FileField({
      storage,
      uploadTo: 'tests',
      default: 'tests/default.txt',
      id: id('default'),
    }),
    image: new ImageField({
      storage,
      uploadTo: 'images',
      widthColumn: 'width',
      heightColumn: 'height',
      id: id('image'),
    }),
  }
}
