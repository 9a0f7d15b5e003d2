export { type FileExtension, fileExtension, type PrismaFiles } from './orm/prisma/extension.ts'
export { fileData } from './orm/prisma/file-data.ts'
