export {
  type FileColumnBuilder,
  type FileName,
  type FileNameMark,
  fileColumn,
  fileName,
} from './orm/drizzle/column.ts'
export type { AnyCondition, AnyDatabase, AnyOrder, AnyTable } from './orm/drizzle/database.ts'
export {
  type FileRow,
  type FileTable,
  type FileValues,
  fileTable,
  type NewFileRow,
  type Page,
} from './orm/drizzle/table.ts'
