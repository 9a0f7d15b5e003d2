import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { Cascade, defineEntity, p } from '@mikro-orm/core'
import { MikroORM } from '@mikro-orm/libsql'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable } from 'drizzle-orm/sqlite-core'
import libsql from 'libsql'
import { DataTypes, Model, type ModelOptions, Sequelize } from 'sequelize'
import { ContentFile, MemoryStorage } from 'stowage'
import { fileColumn, fileTable } from 'stowage/drizzle'
import { type FieldFile, FileField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { fileAttribute, registerFiles as registerSequelize } from 'stowage/sequelize'
import { FileColumn, registerFiles as registerTypeorm } from 'stowage/typeorm'
import { DataSource, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn } from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqlite3 } from './libsql-as-sqlite3.ts'

/** Albums have photos, and photos have files: who deletes an album takes the photos along. */
let storage: MemoryStorage
let folder: string
let fields = 0

beforeEach(async () => {
  storage = new MemoryStorage({})
  folder = await mkdtemp(join(tmpdir(), 'stowage-cascades-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

function newField(onDelete: 'cleanup' | 'keep' = 'cleanup'): FileField {
  return new FileField({ storage, onDelete, id: `cascades ${++fields}` })
}

async function stored(): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('')) names.push(name)
  return names
}

const content = (name: string) => new ContentFile(name, `${name}.txt`)

describe('TypeORM', () => {
  interface Photo {
    file: FieldFile
  }

  interface Album {
    photos: Photo[]
  }

  async function open(field: FileField, byDatabase: boolean) {
    const Album = class {}
    const Photo = class {}
    PrimaryGeneratedColumn()(Album.prototype, 'id')
    PrimaryGeneratedColumn()(Photo.prototype, 'id')
    FileColumn(field)(Photo.prototype, 'file')
    const many = { cascade: true, eager: true }
    OneToMany(() => Photo, 'album', many)(Album.prototype, 'photos')
    const one = byDatabase
      ? { onDelete: 'CASCADE' as const }
      : { orphanedRowAction: 'delete' as const }
    ManyToOne(() => Album, 'photos', one)(Photo.prototype, 'album')
    Entity('albums')(Album)
    Entity('photos')(Photo)
    const source = new DataSource({
      type: 'better-sqlite3',
      database: ':memory:',
      driver: libsql,
      entities: [Album, Photo],
      synchronize: true,
    })
    await registerTypeorm(source)
    await source.initialize()
    const photoOf = (name: string): Photo => {
      const photo = new Photo() as Photo
      photo.file.assign(content(name))
      return photo
    }
    const album = Object.assign(new Album() as Album, { photos: [photoOf('a'), photoOf('b')] })
    await source.manager.save(album)
    return { source, album }
  }

  it('refuses rows that the database deletes by itself, unless their files stay', async () => {
    await expect(open(newField(), true)).rejects.toThrow('ON DELETE CASCADE')
    const { source } = await open(newField('keep'), true)
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    await source.destroy()
  })

  it('stores the files of rows that are saved with another one, and deletes them with it', async () => {
    const { source, album } = await open(newField(), false)
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    album.photos = album.photos.slice(1)
    await source.manager.save(album)
    expect(await stored()).toEqual(['b.txt'])
    await source.manager.remove(album)
    expect(await stored()).toEqual([])
    await source.destroy()
  })
})

describe('MikroORM', () => {
  async function open(field: FileField, byDatabase: boolean) {
    const Photo = defineEntity({
      name: 'Photo',
      properties: {
        id: p.integer().primary(),
        file: fileProperty(field),
        album: () =>
          byDatabase
            ? p.manyToOne(Album).deleteRule('cascade').nullable()
            : p.manyToOne(Album).nullable(),
      },
    })
    const Album = defineEntity({
      name: 'Album',
      properties: {
        id: p.integer().primary(),
        photos: () =>
          p
            .oneToMany(Photo)
            .mappedBy('album')
            .orphanRemoval()
            .cascade(Cascade.PERSIST, Cascade.REMOVE),
      },
    })
    const orm = await MikroORM.init({
      dbName: join(folder, 'db'),
      entities: [Album, Photo],
      subscribers: [new FileSubscriber()],
    })
    await orm.schema.refresh()
    return { orm, Album, Photo }
  }

  it('refuses rows that the database deletes by itself, unless their files stay', async () => {
    await expect(open(newField(), true)).rejects.toThrow('ON DELETE CASCADE')
    const { orm, Photo } = await open(newField('keep'), true)
    expect(() => orm.em.fork().create(Photo, {})).not.toThrow()
    await orm.close()
  })

  it('refuses what the database deletes by itself without being told in the entity', async () => {
    const Album = defineEntity({ name: 'Album', properties: { id: p.integer().primary() } })
    const Photo = defineEntity({
      name: 'Photo',
      properties: {
        id: p.integer().primary(),
        file: fileProperty(newField()),
        album: () => p.manyToOne(Album),
      },
    })
    const Cover = defineEntity({
      name: 'Cover',
      properties: { album: () => p.oneToOne(Album).primary(), file: fileProperty(newField()) },
    })
    const init = async (photo: typeof Photo | typeof Cover, options: object = {}) => {
      const orm = await MikroORM.init({
        dbName: join(folder, 'db'),
        entities: [Album, photo],
        subscribers: [new FileSubscriber()],
        ...options,
      })
      await orm.close()
    }
    await init(Photo)
    await expect(
      init(Photo, { schemaGenerator: { defaultDeleteRule: 'cascade' } }),
    ).rejects.toThrow('ON DELETE CASCADE')
    // Its key is that of the album.
    await expect(init(Cover)).rejects.toThrow('ON DELETE CASCADE')
  })

  it('stores the files of rows that are saved with another one, and deletes them with it', async () => {
    const { orm, Album, Photo } = await open(newField(), false)
    const em = orm.em.fork()
    const album = em.create(Album, {})
    for (const name of ['a', 'b']) {
      const photo = em.create(Photo, { album })
      photo.file.assign(content(name))
    }
    await em.flush()
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    const other = orm.em.fork()
    const found = await other.findOneOrFail(Album, { id: album.id }, { populate: ['photos'] })
    found.photos.remove(found.photos[0] as never)
    await other.flush()
    expect(await stored()).toEqual(['b.txt'])
    await other.remove(found).flush()
    expect(await stored()).toEqual([])
    await orm.close()
  })
})

describe('Sequelize', () => {
  class Album extends Model {
    declare id: number
  }
  class Photo extends Model {
    declare file: FieldFile
    declare albumId: number
  }

  function define(field: FileField, options: ModelOptions = {}): Sequelize {
    const sequelize = new Sequelize({
      dialect: 'sqlite',
      dialectModule: sqlite3,
      storage: join(folder, 'db'),
      logging: false,
    })
    Album.init({}, { sequelize, modelName: 'album', timestamps: false })
    Photo.init(
      { file: fileAttribute(field), albumId: DataTypes.INTEGER, userId: DataTypes.INTEGER },
      { sequelize, modelName: 'photo', ...options },
    )
    return sequelize
  }

  const albumPhotos = { foreignKey: 'albumId', onDelete: 'CASCADE' } as const

  async function open(field: FileField, hooks: boolean, options?: ModelOptions) {
    const sequelize = define(field, options)
    Album.hasMany(Photo, { ...albumPhotos, hooks })
    registerSequelize(sequelize)
    await sequelize.sync({ force: true })
    return sequelize
  }

  const madeAlbum = async (...names: string[]): Promise<Album> => {
    const album = await Album.create()
    for (const name of names)
      await Photo.build({ albumId: album.id }).file.save(`${name}.txt`, name)
    return album
  }

  it('refuses rows that the database deletes by itself, unless their files stay', async () => {
    await expect(open(newField(), false)).rejects.toThrow('ON DELETE CASCADE')
    const sequelize = await open(newField('keep'), false)
    await sequelize.close()
  })

  it('refuses them before the first statement, whenever they are defined', async () => {
    const sequelize = define(newField())
    registerSequelize(sequelize)
    Album.hasMany(Photo, albumPhotos)
    await expect(sequelize.authenticate()).rejects.toThrow('ON DELETE CASCADE')
    await expect(sequelize.authenticate()).rejects.toThrow('ON DELETE CASCADE')
    await sequelize.close()
  })

  it('takes a model and its association in any order', async () => {
    const sequelize = define(newField())
    Photo.belongsTo(Album, albumPhotos)
    registerSequelize(sequelize)
    Album.hasMany(Photo, { ...albumPhotos, hooks: true })
    await expect(sequelize.authenticate()).resolves.toBeUndefined()
    await sequelize.close()
  })

  it('refuses one association without hooks beside another one with them', async () => {
    const sequelize = define(newField())
    class User extends Model {}
    User.init({}, { sequelize, modelName: 'user' })
    Album.hasMany(Photo, { ...albumPhotos, hooks: true })
    User.hasMany(Photo, { foreignKey: 'userId', onDelete: 'CASCADE' })
    registerSequelize(sequelize)
    await expect(sequelize.sync()).rejects.toThrow('"userId"')
    await sequelize.close()
  })

  it('refuses rows that are deleted at the end of two associations', async () => {
    const sequelize = define(newField())
    class Shelf extends Model {}
    Shelf.init({}, { sequelize, modelName: 'shelf' })
    Shelf.hasMany(Album, { onDelete: 'CASCADE' })
    Album.hasMany(Photo, { ...albumPhotos, hooks: true })
    registerSequelize(sequelize)
    await expect(sequelize.sync()).rejects.toThrow('"shelfId"')
    await sequelize.close()
  })

  it('refuses a table between two others whose rows have files', async () => {
    const sequelize = define(newField())
    class User extends Model {}
    User.init({}, { sequelize, modelName: 'user' })
    registerSequelize(sequelize)
    User.belongsToMany(Album, { through: Photo })
    await expect(sequelize.sync()).rejects.toThrow('ON DELETE CASCADE')
    await sequelize.close()
  })

  it('deletes the files of rows that it deletes with another one', async () => {
    const sequelize = await open(newField(), true)
    const album = await madeAlbum('a', 'b')
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    await album.destroy()
    expect(await Photo.count()).toBe(0)
    expect(await stored()).toEqual([])
    await sequelize.close()
  })

  it('refuses to delete the others in any other way', async () => {
    const sequelize = await open(newField(), true)
    await madeAlbum('a')
    const refused = { name: 'UnsupportedError', message: expect.stringContaining('photo.file') }
    await expect(Album.destroy({ where: {} })).rejects.toMatchObject(refused)
    await expect(Album.truncate({ hooks: false })).rejects.toMatchObject(refused)
    await expect(sequelize.query('DELETE FROM albums')).rejects.toMatchObject(refused)
    await Album.update({ id: 2 }, { where: { id: 3 } })
    expect(await stored()).toEqual(['a.txt'])
    await sequelize.close()
  })

  it('refuses to delete a row with others that Sequelize does not see, but the database', async () => {
    const sequelize = await open(newField(), true, { paranoid: true })
    const album = await madeAlbum('a')
    const refused = { name: 'UnsupportedError', message: expect.stringContaining('force: true') }
    await expect(album.destroy()).rejects.toMatchObject(refused)
    expect(await Photo.count()).toBe(1)
    expect(await stored()).toEqual(['a.txt'])
    await album.destroy({ force: true } as object)
    expect(await stored()).toEqual([])
    await sequelize.close()
  })

  it('keeps the files of rows that were deleted with another one whose deletion rolled back', async () => {
    const sequelize = await open(newField(), true)
    const album = await madeAlbum('a')
    const failure = new Error('roll back')
    const run = sequelize.transaction(async transaction => {
      await album.destroy({ transaction })
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await Photo.count()).toBe(1)
    expect(await stored()).toEqual(['a.txt'])
    await sequelize.close()
  })
})

describe('Drizzle', () => {
  it('refuses rows that the database deletes by itself, unless their files stay', () => {
    const db = drizzle(createClient({ url: ':memory:' }))
    const albums = sqliteTable('albums', { id: integer('id').primaryKey() })
    const photos = (field: FileField) =>
      sqliteTable('photos', {
        id: integer('id').primaryKey(),
        album: integer('album').references(() => albums.id, { onDelete: 'cascade' }),
        file: fileColumn(field),
      })
    expect(() => fileTable(db, photos(newField()))).toThrow('ON DELETE CASCADE')
    expect(() => fileTable(db, photos(newField('keep')))).not.toThrow()
  })
})
