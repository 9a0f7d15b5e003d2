export {
  type FileColumnBuilder,
  type FileName,
  type FileNameMark,
  fileColumn,
  fileName,
} from './orm/drizzle/column.ts'
export type { AnyCondition, AnyDatabase, AnyTable } from './orm/drizzle/database.ts'
export {
  type FileRow,
  type FileTable,
  type FileValues,
  fileTable,
  type NewFileRow,
} from './orm/drizzle/table.ts'
