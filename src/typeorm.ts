export { FileColumn } from './orm/typeorm/column.ts'
export { registerFiles } from './orm/typeorm/files.ts'
