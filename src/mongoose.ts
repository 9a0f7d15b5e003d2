export { filePlugin } from './orm/mongoose/plugin.ts'
