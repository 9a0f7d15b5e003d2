export { FileColumn, registerFiles } from './orm/typeorm.ts'
