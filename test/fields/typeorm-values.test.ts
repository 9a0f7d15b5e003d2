import libsql from 'libsql'
import { MemoryStorage, UnsupportedError } from 'stowage'
import { type FieldFile, FileField, ImageField } from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import {
  BaseEntity,
  Column,
  DataSource,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type User, Users } from './harness/typeorm-users.ts'

const sqlite = { type: 'better-sqlite3', database: ':memory:', driver: libsql } as const

const file = (name: string): File => new File([name], name)

let source: DataSource

afterEach(async () => {
  if (source.isInitialized) await source.destroy()
})

describe('values of file columns in TypeORM', () => {
  let users: Users

  beforeEach(async () => {
    users = new Users(sqlite)
    source = await users.open()
  })

  /** A row that others have given b.txt since it was read. */
  async function late(): Promise<User> {
    await users.save(source.manager, 'a')
    const user = await users.find(source.manager, 'a')
    await (await users.find(source.manager, 'a')).avatar.save('b.txt', 'b')
    return user
  }

  it.each([
    async (user: User) => source.manager.create(users.User, user),
    async (user: User) => source.manager.create(users.User, { ...user, title: 'z' }),
    async (user: User) => {
      const now = await users.find(source.manager, 'a')
      return source.manager.merge(users.User, now, user, { title: 'z' })
    },
    async (user: User) => {
      await user.avatar.text().catch(() => {})
      return source.manager.create(users.User, user)
    },
    async (user: User) => await source.manager.preload(users.User, user),
  ])('are in a copy of a row no more than they were in the row: read (%#)', async copy => {
    const copied = await copy(await late())
    await source.manager.save(copied)
    await users.expectFiles(source, 'b.txt')
  })

  it('go into a new row that is made of another one, and share its file', async () => {
    const { id, ...rest } = await users.save(source.manager, 'a')
    const first = await users.find(source.manager, 'a')
    const copy = source.manager.create(users.User, first)
    Reflect.deleteProperty(copy, 'id')
    copy.title = `${rest.title}2`
    await source.manager.save(copy)
    await users.expectFiles(source, 'a.txt', 'a.txt')
    await source.manager.remove(first)
    await users.expectFiles(source, 'a.txt')
    expect(copy.id).not.toBe(id)
  })

  it('are content in a copy of a row that has content', async () => {
    const { manager } = source
    await manager.save(manager.create(users.User, users.make(manager, 'a')))
    await users.expectFiles(source, 'a.txt')
    const found = await users.find(manager, 'a')
    await manager.save(manager.merge(users.User, found, users.make(manager, 'a', 'b.txt')))
    await users.expectFiles(source, 'b.txt')
    const other = Object.assign(users.make(manager, 'a', 'c.txt'), { id: found.id })
    await manager.save(await manager.preload(users.User, other))
    await users.expectFiles(source, 'c.txt')
  })

  it('that a program gives are set, also those of another row', async () => {
    const { manager } = source
    const a = await users.save(manager, 'a')
    await users.save(manager, 'b')
    const b = await users.find(manager, 'b')
    await manager.save(manager.merge(users.User, b, { avatar: a.avatar }))
    await users.expectFiles(source, 'a.txt', 'a.txt')
  })

  it('are null where a plain object says that there is no file', async () => {
    const { id } = await users.save(source.manager, 'a')
    await source.manager.save(users.User, { id, avatar: null } as never)
    await users.expectFiles(source)
    await source.manager.save(users.User, { title: 'b', avatar: null } as never)
    await users.expectFiles(source)
  })

  it('are in the JSON of rows that were read with them', async () => {
    await users.save(source.manager, 'a')
    await source.manager.save(source.manager.create(users.User, { title: 'b' }))
    const rows = await source.manager.find(users.User, { order: { id: 'ASC' } })
    const json = JSON.parse(JSON.stringify(rows))
    expect(json).toEqual([
      { id: 1, title: 'a', width: null, avatar: 'a.txt' },
      { id: 2, title: 'b', width: null, avatar: null },
    ])
    for (const row of json) await source.manager.save(users.User, row)
    await users.expectFiles(source, 'a.txt')
    const partial = await source.manager.find(users.User, { select: { id: true } })
    expect(JSON.stringify(partial)).toBe('[{"id":1},{"id":2}]')
    expect(Object.keys(rows[0] ?? {})).not.toContain('toJSON')
  })

  it('are left alone by an upsert of other columns, of new rows and old ones', async () => {
    const repository = source.getRepository(users.User)
    await users.save(source.manager, 'a')
    const rows = [
      { title: 'a', width: 5 },
      { title: 'b', width: 5 },
    ]
    await repository.upsert(rows, ['title'])
    expect(await repository.countBy({ width: 5 })).toBe(2)
    await users.expectFiles(source, 'a.txt')
  })

  it('are asked for in one query, however many rows are written at once', async () => {
    const { manager } = source
    for (const title of ['a', 'b', 'c']) await users.save(manager, title)
    const rows = await manager.find(users.User)
    for (const row of rows) row.avatar.assign(file(`${row.title}2.txt`))
    const queries: string[] = []
    source.subscribers.push({ beforeQuery: ({ query }) => void queries.push(query) })
    await manager.save(rows)
    const asked = queries.filter(query => query.startsWith('SELECT "row"') && !/LIMIT/.test(query))
    expect(asked).toHaveLength(1)
    await users.expectFiles(source, 'a2.txt', 'b2.txt', 'c2.txt')
    await manager.remove(rows)
    await users.expectFiles(source)
  })

  it('let no statement pass for an UPDATE that TypeORM had no need of', async () => {
    const user = await late()
    await source.transaction(async manager => {
      await manager.save(user)
      const update = manager
        .createQueryBuilder()
        .update(users.User)
        .set({ avatar: '' } as never)
      await expect(update.where({ id: 1 }).callListeners(false).execute()).rejects.toThrow(
        UnsupportedError,
      )
    })
    await users.expectFiles(source, 'b.txt')
  })
})

describe('relations of rows with files in TypeORM', () => {
  class Album {
    declare id: number
    declare photos: Photo[]
    declare cover: FieldFile
  }
  class Photo {
    declare id: number
    declare album: Album
    declare file: FieldFile
  }
  const storage = new MemoryStorage({})
  PrimaryGeneratedColumn()(Album.prototype, 'id')
  OneToMany(
    () => Photo,
    (photo: Photo) => photo.album,
    { cascade: true },
  )(Album.prototype, 'photos')
  FileColumn(new FileField({ storage }))(Album.prototype, 'cover')
  Entity('albums')(Album)
  PrimaryGeneratedColumn()(Photo.prototype, 'id')
  ManyToOne(
    () => Album,
    (album: Album) => album.photos,
    { cascade: ['insert', 'update'], eager: true },
  )(Photo.prototype, 'album')
  FileColumn(new FileField({ storage }))(Photo.prototype, 'file')
  Entity('photos')(Photo)

  async function names(): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of storage.list('')) found.push(name)
    return found
  }

  beforeEach(async () => {
    for (const name of await names()) await storage.delete(name)
    source = new DataSource({ ...sqlite, entities: [Album, Photo], synchronize: true })
    await registerFiles(source)
    await source.initialize()
  })

  it('have the content that the rows were made with', async () => {
    const { manager } = source
    const photos = ['p.txt', 'q.txt'].map(name => manager.create(Photo, { file: file(name) }))
    const album = manager.create(Album, { cover: file('c.txt'), photos })
    expect(album.photos.map(photo => photo.file.name)).toEqual(['p.txt', 'q.txt'])
    await manager.save(album)
    expect(await names()).toEqual(['c.txt', 'p.txt', 'q.txt'])
    const found = await manager.find(Photo, { order: { id: 'ASC' } })
    expect(found.map(photo => photo.file.name)).toEqual(['p.txt', 'q.txt'])
  })

  it('keep the file that others have given the parent since it was read', async () => {
    const { manager } = source
    const { id } = await manager.save(manager.create(Album, { cover: file('a.txt') }))
    const late = await manager.findOneByOrFail(Album, { id })
    await (await manager.findOneByOrFail(Album, { id })).cover.save('b.txt', 'b')
    await manager.save(manager.create(Photo, { file: file('p.txt'), album: late }))
    expect(await names()).toEqual(['b.txt', 'p.txt'])
    expect((await manager.findOneByOrFail(Album, { id })).cover.name).toBe('b.txt')
  })
})

describe('an image in TypeORM', () => {
  class Icon extends BaseEntity {
    declare id: number
    declare title: string
    declare width: number | null
    declare image: FieldFile
  }
  const storage = new MemoryStorage({})
  PrimaryGeneratedColumn()(Icon.prototype, 'id')
  Column({ type: 'varchar', default: '' })(Icon.prototype, 'title')
  Column({ type: 'int', nullable: true })(Icon.prototype, 'width')
  FileColumn(new ImageField({ storage, widthColumn: 'width' }))(Icon.prototype, 'image')
  Entity('icons')(Icon)

  beforeEach(async () => {
    source = new DataSource({ ...sqlite, entities: [Icon], synchronize: true })
    await registerFiles(source)
    await source.initialize()
    Icon.useDataSource(source)
  })

  it('has its width also where a plain object names it', async () => {
    await storage.save('2.gif', gif(2))
    await storage.save('3.gif', gif(3))
    const { id } = await source.manager.save(Icon, { image: '2.gif' as never as FieldFile })
    expect(await Icon.findOneBy({ id })).toMatchObject({ width: 2 })
    await source.manager.save(Icon, { id, image: '3.gif' } as never)
    expect(await Icon.findOneBy({ id })).toMatchObject({ width: 3 })
    await source.manager.save(Icon, { id, image: '' } as never)
    expect(await Icon.findOneBy({ id })).toMatchObject({ width: null })
  })

  it('is reloaded with its row', async () => {
    const icon = Icon.create({ title: 'a' })
    await icon.image.save('4.gif', gif(4))
    const other = await Icon.findOneByOrFail({ id: icon.id })
    await other.image.save('5.gif', gif(5))
    icon.image.assign(new File([gif(6)], '6.gif'))
    await icon.reload()
    expect([icon.width, icon.image.name]).toEqual([5, '5.gif'])
  })
})

/** An image of one row, as much of it as is looked at. */
function gif(width: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...Buffer.from('GIF89a'), width, 0, 1, 0, 0, 0, 0)
}
