export { fileAttribute } from './orm/sequelize/attribute.ts'
export { registerFiles } from './orm/sequelize/files.ts'
