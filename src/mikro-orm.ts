export { FileSubscriber, fileProperty } from './orm/mikro-orm.ts'
