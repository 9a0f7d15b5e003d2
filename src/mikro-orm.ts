export { type FileTypes, fileProperty } from './orm/mikro-orm/property.ts'
export { FileSubscriber } from './orm/mikro-orm/subscriber.ts'
