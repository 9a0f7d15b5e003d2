import type { Configuration, EntityMetadata, EntityProperty } from '@mikro-orm/core'
import { columnMap, type Row } from './columns.ts'

/** What fills rows with what was read, by functions that it generates. */
interface Hydrator {
  getProperties: (meta: EntityMetadata, type: string) => EntityProperty[]
  hydrate: (
    row: Row,
    meta: EntityMetadata,
    data: Row,
    factory: unknown,
    type: string,
    isNew?: boolean,
    ...rest: readonly unknown[]
  ) => void
}

/** What looks at rows for changes. */
interface Comparator {
  /** A line of the function that it generates for an entity. */
  getPropertySnapshot: (
    meta: EntityMetadata,
    prop: EntityProperty,
    context: Map<string, unknown>,
    dataKey: string,
    ...rest: readonly unknown[]
  ) => string
}

/**
 * Has MikroORM read and write the names of files, where it would go through the properties that programs
 * use: it could not be told from these, and ask for the files of all rows.
 */
export function watchRows(config: Configuration): void {
  const { getHydrator, getComparator } = config
  const watched = new WeakSet<object>()
  const once = <T extends object>(service: T, watch: () => void): T => {
    if (!watched.has(service)) watch()
    watched.add(service)
    return service
  }
  config.getHydrator = metadata => {
    const hydrator = getHydrator.call(config, metadata)
    return once(hydrator, () => watchHydrator(hydrator as object as Hydrator)) as never
  }
  config.getComparator = metadata => {
    const comparator = getComparator.call(config, metadata)
    return once(comparator, () => watchComparator(comparator as object as Comparator))
  }
}

function watchHydrator(hydrator: Hydrator): void {
  const { getProperties, hydrate } = hydrator
  hydrator.getProperties = (meta, type) =>
    getProperties.call(hydrator, meta, type).filter(prop => !isFile(meta, prop))
  hydrator.hydrate = (row, meta, data, factory, type, isNew, ...rest) => {
    hydrate.call(hydrator, row, meta, data, factory, type, isNew, ...rest)
    for (const column of columnMap(row).values()) {
      const value = data[column.property] as string | undefined
      if (value === undefined) continue
      if (isNew === true) column.set(row, value)
      else column.read(row, value)
    }
  }
}

function watchComparator(comparator: Comparator): void {
  const { getPropertySnapshot } = comparator
  comparator.getPropertySnapshot = (meta, prop, context, dataKey, ...rest) => {
    if (!isFile(meta, prop))
      return getPropertySnapshot.call(comparator, meta, prop, context, dataKey, ...rest)
    const read = `file_${context.size}`
    context.set(read, (row: Row) => columnMap(row).get(prop.name)?.stored(row))
    return `  { const name = ${read}(entity); if (name !== undefined) ret${dataKey} = name; }\n`
  }
}

function isFile({ prototype }: EntityMetadata, { name }: EntityProperty): boolean {
  return columnMap(prototype as object).has(name)
}
