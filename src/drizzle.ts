export {
  type FileColumnBuilder,
  type FileName,
  fileColumn,
  fileName,
} from './orm/drizzle/column.ts'
export type { AnyDatabase } from './orm/drizzle/database.ts'
export { type FileRow, type FileTable, type FileValues, fileTable } from './orm/drizzle/table.ts'
