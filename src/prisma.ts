export { type FileExtension, fileData, fileExtension, type PrismaFiles } from './orm/prisma.ts'
