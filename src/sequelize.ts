export { fileAttribute, registerFiles } from './orm/sequelize.ts'
