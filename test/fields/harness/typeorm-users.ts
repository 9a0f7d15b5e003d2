import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField } from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  type EntityManager,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { expect } from 'vitest'

export interface User {
  id: number
  title: string
  width: number | null
  avatar: FieldFile
}

export interface Photo {
  id: number
  file: FieldFile
}

/** Ids of fields are given once in a process. */
let fields = 0

/** Users and photos whose files are in one storage; for TypeORM's own ways, which the session has no word for. */
export class Users {
  readonly storage = new MemoryStorage({})
  readonly User: new () => User = class {} as new () => User
  readonly Photo: new () => Photo = class {} as new () => Photo
  readonly #options: DataSourceOptions

  constructor(options: DataSourceOptions) {
    this.#options = options
    PrimaryGeneratedColumn()(this.User.prototype, 'id')
    Column({ type: 'varchar', length: 50, unique: true })(this.User.prototype, 'title')
    Column({ type: 'int', nullable: true })(this.User.prototype, 'width')
    FileColumn(this.#field())(this.User.prototype, 'avatar')
    Entity('users')(this.User)
    PrimaryGeneratedColumn()(this.Photo.prototype, 'id')
    FileColumn(this.#field())(this.Photo.prototype, 'file')
    Entity('photos')(this.Photo)
  }

  #field(): FileField {
    return new FileField({ storage: this.storage, id: `user ${++fields}` })
  }

  /** A data source that is not open yet, and whose files nobody has registered. */
  source(options: Partial<DataSourceOptions> = {}): DataSource {
    const all = { ...this.#options, entities: [this.User, this.Photo], ...options }
    return new DataSource(all as DataSourceOptions)
  }

  /** On an empty database. */
  async open(options: Partial<DataSourceOptions> = {}): Promise<DataSource> {
    const source = this.source({ synchronize: true, dropSchema: true, ...options })
    await registerFiles(source)
    return await source.initialize()
  }

  /** A user that is not saved yet. */
  make(manager: EntityManager, title: string, file = `${title}.txt`): User {
    const user = manager.create(this.User, { title })
    user.avatar.assign(new File([title], file))
    return user
  }

  async save(manager: EntityManager, title: string, file?: string): Promise<User> {
    return await manager.save(this.make(manager, title, file))
  }

  async find(manager: EntityManager, title: string): Promise<User> {
    return await manager.findOneByOrFail(this.User, { title })
  }

  async photo(manager: EntityManager, file: string): Promise<Photo> {
    const photo = manager.create(this.Photo)
    photo.file.assign(new File([file], file))
    return await manager.save(photo)
  }

  async stored(): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of this.storage.list('')) found.push(name)
    return found
  }

  /** Expects that rows have these files, and that the storage has them and no others. */
  async expectFiles(source: DataSource, ...names: string[]): Promise<void> {
    const rows = [
      ...(await source.query('SELECT avatar AS name FROM users')),
      ...(await source.query('SELECT file AS name FROM photos')),
    ]
    const named = rows.map(({ name }: { name: string }) => name).filter(name => name !== '')
    expect(named.toSorted(), 'rows').toEqual(names.toSorted())
    expect(await this.stored(), 'files').toEqual([...new Set(names)].toSorted())
  }
}
