export {
  type AnyDatabase,
  type FileColumnBuilder,
  type FileName,
  type FileRow,
  type FileTable,
  type FileValues,
  fileColumn,
  fileTable,
} from './orm/drizzle.ts'
