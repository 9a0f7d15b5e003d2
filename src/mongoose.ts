export { filePlugin } from './orm/mongoose.ts'
