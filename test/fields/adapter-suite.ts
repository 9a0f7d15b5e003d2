import { inspect } from 'node:util'
import { serialize } from 'node:v8'
import * as devalue from 'devalue'
import fc from 'fast-check'
import {
  ContentFile,
  MemoryStorage,
  type Storage,
  UnsupportedError,
  ValidationError,
} from 'stowage'
import { devalueFiles, FieldFile, fileCodec, fileTransaction, superjsonFiles } from 'stowage/fields'
import { SuperJSON } from 'superjson'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fields, fieldsOn, type Row, type Session, type Unit } from './harness/session.ts'
import { PlanRun, planSettings, plans } from './plans.ts'

export interface Harness {
  open(fields: Fields): Promise<Session>
}

/** 2 × 3 pixels, white. */
const png: Uint8Array = Uint8Array.from(
  atob(
    'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAAAAACVYPITAAAADklEQVR4nGP4DwUMcAYAafMOAeNzEqcAAAAASUVORK5CYII=',
  ),
  letter => letter.charCodeAt(0),
)

/** The same with another size in its header. */
function pngOf(width: number, height: number): Uint8Array {
  const bytes = png.slice()
  const header = new DataView(bytes.buffer)
  header.setUint32(16, width)
  header.setUint32(20, height)
  return bytes
}

const superjson = new SuperJSON()
superjson.registerCustom(superjsonFiles, 'stowage')

/** What a structured clone holds; rows of some ORMs have functions, and cannot be cloned. */
function cloned(value: unknown): string {
  try {
    return serialize(value).toString('latin1')
  } catch {
    return ''
  }
}

/** Sessions in this process so far: the first fields have ids by their tables, which others would share. */
let opened = 0

/** What every adapter promises, told in the words of the old page and of the house. */
export function testAdapter(name: string, harness: Harness): void {
  describe(`file fields in ${name}`, () => {
    let storage: Storage
    let session: Session
    let calls: number

    beforeEach(async () => {
      storage = new MemoryStorage({ baseUrl: '/media/' })
      calls = 0
      await storage.save('tests/default.txt', 'default content')
      session = await harness.open(
        fieldsOn(storage, {
          ids: ++opened > 1 ? `session ${opened}` : undefined,
          random: (_row, filename) => `${100 + ++calls}/${filename}`,
        }),
      )
    })

    afterEach(async () => {
      await session.close()
    })

    const stored = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const { name } of storage.list('', { recursive: true })) found.push(name)
      return found
    }

    /** What the database names and what is stored are the same, but for the default file. */
    const expectNoOrphan = async (): Promise<void> => {
      const named = (await session.names()).filter(name => name !== null && name !== '')
      expect(new Set(await stored())).toEqual(new Set([...named, 'tests/default.txt']))
    }

    const saved = async (title: string, content = title, unit: Unit = session): Promise<Row> => {
      const row = unit.make(title)
      row.normal.assign(new ContentFile(content, `${title}.txt`))
      await unit.save(row)
      return row
    }

    describe('the session of the page', () => {
      it('prints what the page prints', async () => {
        const obj1 = session.make('obj1')
        expect(inspect(obj1.normal)).toBe('<FieldFile: None>')
        await expect(obj1.normal.size()).rejects.toMatchObject({
          name: 'NoFileError',
          message: `The 'normal' attribute has no file associated with it.`,
        })
        await obj1.normal.save('django_test.txt', new ContentFile('content'))
        expect(inspect(obj1.normal)).toBe('<FieldFile: tests/django_test.txt>')
        expect(JSON.stringify(obj1.normal)).toBe('"tests/django_test.txt"')
        expect(await obj1.normal.size()).toBe(7)
        expect(new TextDecoder().decode((await obj1.normal.read()) as Uint8Array)).toBe('content')
        expect(await obj1.normal.text()).toBe('content')
        await obj1.normal.open('r')
        expect(await obj1.normal.read(3)).toBe('con')
        expect(await obj1.normal.read()).toBe('tent')
        const chunks: string[] = []
        for await (const chunk of obj1.normal.chunks({ chunkSize: 2 }))
          chunks.push(new TextDecoder().decode(chunk))
        expect(chunks.join('-')).toBe('co-nt-en-t')

        const obj2 = session.make('obj2')
        await obj2.normal.save('django_test.txt', new ContentFile('more content'))
        const alternative = /^<FieldFile: tests\/django_test_[A-Za-z0-9]{7}\.txt>$/
        expect(inspect(obj2.normal)).toMatch(alternative)
        expect(await obj2.normal.size()).toBe(12)
        const cached = fileCodec.decode(fileCodec.encode(obj2)) as Row
        expect(cached.normal.name).toBe(obj2.normal.name)
        expect(cached.title).toBe('obj2')
        expect(await cached.normal.text()).toBe('more content')

        await session.remove(obj2)
        expect(await stored()).toEqual(['tests/default.txt', 'tests/django_test.txt'])
        const again = session.make('obj2')
        await again.normal.save('django_test.txt', new ContentFile('more content'))
        expect(inspect(again.normal)).toMatch(alternative)

        const obj3 = session.make('obj3')
        await session.save(obj3)
        expect(inspect(obj3.default)).toBe('<FieldFile: tests/default.txt>')
        expect(await obj3.default.text()).toBe('default content')
        await session.remove(await session.find('obj3'))
        const next = session.make('obj3')
        expect(await next.default.text()).toBe('default content')

        const obj4 = session.make('obj4')
        await obj4.random.save('random_file', new ContentFile('random content'))
        expect(inspect(obj4.random)).toBe('<FieldFile: 101/random_file>')
        await session.save(obj4)
        expect(calls).toBe(1)

        await obj1.normal.delete()
        await again.normal.delete()
        await next.default.delete({ default: true })
        await obj4.random.delete()
        expect(await stored()).toEqual([])
      })

      it('shows the file of a row that is loaded again', async () => {
        await saved('a', 'alpha')
        const row = await session.find('a')
        expect(row.normal).toBeInstanceOf(FieldFile)
        expect(row.normal).toBe(row.normal)
        expect(row.normal.owner === null).toBe(false)
        expect(await row.normal.url()).toBe('/media/tests/a.txt')
        expect(row.random.hasFile()).toBe(false)
        expect(row.default.name).toBe('tests/default.txt')
      })
    })

    describe('the default file of a field', () => {
      it('stays when a row goes that names it in the column of another field', async () => {
        const row = session.make('a')
        row.normal.assign('tests/default.txt')
        row.default.assign(new ContentFile('own', 'own.txt'))
        await session.save(row)
        await session.remove(row)
        expect(await stored()).toEqual(['tests/default.txt'])
      })

      it('stays when another field replaces or deletes it', async () => {
        const row = session.make('a')
        row.normal.assign('tests/default.txt')
        row.random.assign('tests/default.txt')
        row.default.assign(null)
        await session.save(row)
        await row.normal.save('a.txt', 'alpha')
        await row.random.delete()
        await row.normal.delete()
        expect(await stored()).toEqual(['tests/default.txt'])
      })
    })

    describe('content that is assigned', () => {
      it('is stored with the row, once', async () => {
        const row = session.make('a')
        row.normal.assign(new File(['alpha'], 'a.txt'))
        expect(row.normal.name).toBe('a.txt')
        expect(await row.normal.text()).toBe('alpha')
        expect(await stored()).toEqual(['tests/default.txt'])
        await session.save(row)
        await session.save(row)
        expect(row.normal.name).toBe('tests/a.txt')
        expect(await (await session.find('a')).normal.text()).toBe('alpha')
        await expectNoOrphan()
      })

      it('replaces the old file when the row is saved again', async () => {
        const row = await saved('a', 'old')
        row.normal.assign(new ContentFile('new', 'b.txt'))
        await session.save(row)
        expect(await stored()).toEqual(['tests/b.txt', 'tests/default.txt'])
        expect(await session.names()).toContain('tests/b.txt')
      })

      it('replaces the file of a row that was loaded, too', async () => {
        await saved('a', 'old')
        const row = await session.find('a')
        row.normal.assign(new ContentFile('new', 'b.txt'))
        await session.save(row)
        expect(await (await session.find('a')).normal.text()).toBe('new')
        await expectNoOrphan()
      })

      it('empties the column with null', async () => {
        const row = await saved('a')
        row.normal.assign(null)
        await session.save(row)
        expect((await session.find('a')).normal.hasFile()).toBe(false)
        await expectNoOrphan()
      })

      it('leaves columns alone that nobody has touched', async () => {
        await saved('a')
        const row = await session.find('a')
        row.title = 'b'
        await session.save(row)
        expect((await session.find('b')).normal.name).toBe('tests/a.txt')
        await expectNoOrphan()
      })

      it('is refused without a name', () => {
        const row = session.make('a')
        expect(() => row.normal.assign(new ContentFile('x'))).toThrow(ValidationError)
      })

      it('is measured where it is an image', async () => {
        const row = session.make('a')
        row.image.assign(new ContentFile(png, 'a.png'))
        await session.save(row)
        expect(await session.find('a')).toMatchObject({ width: 2, height: 3 })
        const found = await session.find('a')
        await found.image.delete()
        expect(await session.find('a')).toMatchObject({ width: null, height: null })
        await expectNoOrphan()
      })
    })

    describe('an image', () => {
      const withImage = async (title: string): Promise<Row> => {
        const row = session.make(title)
        row.image.assign(new ContentFile(png, `${title}.png`))
        await session.save(row)
        return await session.find(title)
      }

      it('is measured again when it is replaced', async () => {
        const row = await withImage('a')
        row.image.assign(new ContentFile(pngOf(5, 7), 'b.png'))
        await session.save(row)
        expect(await session.find('a')).toMatchObject({ width: 5, height: 7 })
        await (await session.find('a')).image.save('c.png', pngOf(11, 13))
        expect(await session.find('a')).toMatchObject({ width: 11, height: 13 })
        await expectNoOrphan()
      })

      it('is measured when it is the one of another row, or has a name that is assigned', async () => {
        const first = await withImage('a')
        const second = session.make('b')
        second.image.assign(first.image)
        await session.save(second)
        expect(await session.find('b')).toMatchObject({ width: 2, height: 3 })

        await storage.save('images/other.png', pngOf(5, 7))
        const found = await session.find('b')
        found.image.assign('images/other.png')
        await session.save(found)
        expect(await session.find('b')).toMatchObject({ width: 5, height: 7 })
        found.image.assign('images/missing.png')
        await session.save(found)
        expect(await session.find('b')).toMatchObject({ width: null, height: null })
      })

      it('is measured with the next write when its storage could not be read', async () => {
        await withImage('a')
        const { file } = storage
        const row = await withImage('b')
        row.image.assign('images/a.png')
        storage.file = async () => {
          throw new Error('the storage is gone')
        }
        await expect(session.save(row)).rejects.toThrow('the storage is gone')
        storage.file = file
        await session.save(row)
        expect(await session.find('b')).toMatchObject({ width: 2, height: 3 })
        await expectNoOrphan()
      })

      it('gives the row its old size back when the write fails', async () => {
        await saved('taken')
        const row = await withImage('a')
        row.title = 'taken'
        row.image.assign(new ContentFile(pngOf(5, 7), 'b.png'))
        await expect(session.save(row)).rejects.toThrow()
        expect(row).toMatchObject({ width: 2, height: 3 })
        row.title = 'a'
        await session.save(row)
        expect(await session.find('a')).toMatchObject({ width: 5, height: 7 })
        await expectNoOrphan()
      })

      it('takes its size along when it is taken away, also after that was rolled back', async () => {
        const row = await withImage('a')
        const failed = session.transaction(async unit => {
          row.image.assign(null)
          await unit.save(row)
          throw new Error('roll back')
        })
        await expect(failed).rejects.toThrow('roll back')
        row.image.assign(null)
        await session.save(row)
        const found = await session.find('a')
        expect(found).toMatchObject({ width: null, height: null })
        expect(found.image.hasFile()).toBe(false)
        await expectNoOrphan()
      })

      it('takes its size along when a copy that did not know it takes it away', async () => {
        await saved('a')
        const late = await session.find('a')
        await (await session.find('a')).image.save('a.png', png)
        late.image.assign(null)
        await session.save(late)
        const found = await session.find('a')
        expect(found.width).toBe(found.image.hasFile() ? 2 : null)
        await expectNoOrphan()
      })

      it.each([
        ['first', 'a transaction'],
        ['last', 'a transaction'],
        ['first', 'none'],
        ['last', 'none'],
      ])('is saved %s, and another file of the row at once, in %s', async (place, where) => {
        const { normal } = await withImage('a')
        await normal.save('o.txt', 'o')
        const work = async (unit: Unit): Promise<void> => {
          const row = await unit.find('a')
          const writes = [
            () => row.image.save('b.png', pngOf(5, 7)),
            () => row.normal.save('n.txt', 'n'),
          ]
          if (place === 'last') writes.reverse()
          await Promise.all(writes.map(write => write()))
        }
        await (where === 'none' ? work(session) : session.transaction(work))
        const found = await session.find('a')
        expect(found).toMatchObject({ width: 5, height: 7 })
        expect([found.image.name, found.normal.name]).toEqual(['images/b.png', 'tests/n.txt'])
        await expectNoOrphan()
      })

      it('is refused when it is none, and leaves nothing behind', async () => {
        const row = await withImage('a')
        await expect(row.image.save('b.png', '<svg/>')).rejects.toMatchObject({
          name: 'InvalidImageError',
        })
        expect(await session.find('a')).toMatchObject({ width: 2, height: 3 })
        await expectNoOrphan()
      })
    })

    describe('a write that fails', () => {
      it('removes the new file, and leaves the row in memory as it was', async () => {
        await saved('taken')
        const row = session.make('taken')
        await expect(row.normal.save('new.txt', 'new')).rejects.toThrow()
        expect(row.normal.hasFile()).toBe(false)
        await expectNoOrphan()
      })

      it('lets content that was assigned wait for the next try', async () => {
        await saved('taken')
        const row = session.make('taken')
        row.normal.assign(new ContentFile('new', 'new.txt'))
        await expect(session.save(row)).rejects.toThrow()
        await expectNoOrphan()
        row.title = 'free'
        await session.save(row)
        expect(await (await session.find('free')).normal.text()).toBe('new')
        await expectNoOrphan()
      })

      it('keeps the old file when it was to be replaced', async () => {
        await saved('taken')
        const row = await saved('a', 'old')
        row.title = 'taken'
        row.normal.assign(new ContentFile('new', 'new.txt'))
        await expect(session.save(row)).rejects.toThrow()
        expect(await (await session.find('a')).normal.text()).toBe('old')
        await expectNoOrphan()
      })
    })

    describe('a transaction', () => {
      const failure = new Error('roll back')

      it('keeps new files when it commits', async () => {
        await session.transaction(async unit => {
          await saved('a', 'alpha', unit)
        })
        expect(await (await session.find('a')).normal.text()).toBe('alpha')
        await expectNoOrphan()
      })

      it('removes new files when it rolls back', async () => {
        const run = session.transaction(async unit => {
          const row = await saved('a', 'alpha', unit)
          await row.random.save('b', 'beta')
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(await stored()).toEqual(['tests/default.txt'])
      })

      it('removes replaced and deleted files only after it has committed', async () => {
        await saved('a', 'old')
        await saved('b')
        await session.transaction(async unit => {
          const row = await unit.find('a')
          await row.normal.save('new.txt', 'new')
          await unit.remove(await unit.find('b'))
          expect(await stored()).toContain('tests/a.txt')
          expect(await stored()).toContain('tests/b.txt')
        })
        expect(await stored()).toEqual(['tests/default.txt', 'tests/new.txt'])
      })

      it('keeps replaced and deleted files when it rolls back', async () => {
        await saved('a', 'old')
        await saved('b')
        await saved('c')
        const run = session.transaction(async unit => {
          await (await unit.find('a')).normal.save('new.txt', 'new')
          await unit.remove(await unit.find('b'))
          await (await unit.find('c')).normal.delete()
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(await (await session.find('a')).normal.text()).toBe('old')
        expect(await (await session.find('b')).normal.text()).toBe('b')
        expect(await (await session.find('c')).normal.text()).toBe('c')
        await expectNoOrphan()
      })

      it('undoes what a savepoint did, and nothing else', async () => {
        await session.transaction(async unit => {
          if (unit.nested === undefined) return
          await saved('a', 'alpha', unit)
          const inner = unit.nested(async nested => {
            await saved('b', 'beta', nested)
            throw failure
          })
          await expect(inner).rejects.toBe(failure)
          expect(await stored()).toEqual(['tests/a.txt', 'tests/default.txt'])
          await unit.nested(async nested => {
            await saved('c', 'gamma', nested)
          })
        })
        await expectNoOrphan()
      })

      it('shows a file again whose deletion it undid', async () => {
        await saved('a', 'alpha')
        let row: Row | undefined
        const run = session.transaction(async unit => {
          row = await unit.find('a')
          await row.normal.delete()
          throw new Error('enough')
        })
        await expect(run).rejects.toThrow('enough')
        expect(row?.normal.name).toBe('tests/a.txt')
        await expectNoOrphan()
      })

      it('gives a row back the file that it has lost and replaced', async () => {
        await saved('a', 'alpha')
        let row: Row | undefined
        const run = session.transaction(async unit => {
          row = await unit.find('a')
          await row.normal.delete()
          await row.normal.save('b.txt', 'beta')
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(row?.normal.name).toBe('tests/a.txt')
        expect(await row?.normal.text()).toBe('alpha')
        await expectNoOrphan()
      })

      it('takes the new file of another row from those that were given it, too', async () => {
        await saved('a', 'alpha')
        await saved('b', 'beta')
        let row: Row | undefined
        const run = session.transaction(async unit => {
          row = await unit.find('a')
          const other = await unit.find('b')
          await other.normal.save('new.txt', 'gamma')
          row.normal.assign(other.normal)
          await unit.save(row)
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(row?.normal.name).toBe('tests/a.txt')
        const again = await session.find('a')
        again.width = 3
        await session.save(again)
        await expectNoOrphan()
      })

      it.each([false, true])(
        'leaves a name that was assigned to the next write of the row, also behind a save: %s',
        async isSaved => {
          const other = session.make('other')
          other.image.assign(new ContentFile(png, 'other.png'))
          await session.save(other)
          await saved('a', 'alpha')
          let row: Row | undefined
          const assign = () => {
            row?.image.assign('images/other.png')
            row?.normal.assign(null)
          }
          const run = session.transaction(async unit => {
            row = await unit.find('a')
            assign()
            if (isSaved) await row.image.save('b.png', pngOf(5, 7))
            else await unit.save(row)
            throw failure
          })
          await expect(run).rejects.toBe(failure)
          if (session.endsRows) {
            row = await session.find('a')
            assign()
          }
          if (row !== undefined) await session.save(row)
          const found = await session.find('a')
          expect(found.normal.hasFile()).toBe(false)
          expect(found.image.name).toBe('images/other.png')
          expect(found).toMatchObject({ width: 2, height: 3 })
          await expectNoOrphan()
        },
      )

      it('keeps what stands of work that failed, where that was no savepoint', async () => {
        await saved('old', 'alpha')
        await session.transaction(async unit => {
          const work = fileTransaction(async () => {
            await saved('a', 'beta', unit)
            const old = await unit.find('old')
            old.normal.assign(new ContentFile('gamma', 'new.txt'))
            await unit.save(old)
            throw new Error('enough')
          })
          await expect(work).rejects.toThrow('enough')
        })
        expect(await (await session.find('a')).normal.text()).toBe('beta')
        expect(await (await session.find('old')).normal.text()).toBe('gamma')
        await expectNoOrphan()
      })

      it('takes savepoints along when it rolls back', async () => {
        await saved('old')
        const run = session.transaction(async unit => {
          await unit.nested?.(async nested => {
            await saved('b', 'beta', nested)
            await nested.remove(await nested.find('old'))
          })
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(await stored()).toEqual(['tests/default.txt', 'tests/old.txt'])
      })
    })

    describe('a file that two rows use', () => {
      it('stays until the last of them has gone', async () => {
        const first = await saved('a', 'shared')
        const second = session.make('b')
        second.normal.assign(first.normal)
        await session.save(second)
        await session.remove(await session.find('a'))
        expect(await (await session.find('b')).normal.text()).toBe('shared')
        await session.remove(await session.find('b'))
        expect(await stored()).toEqual(['tests/default.txt'])
      })

      it('stays when one of them gets another file, or loses it', async () => {
        const first = await saved('a', 'shared')
        for (const title of ['b', 'c']) {
          const other = session.make(title)
          other.normal.assign(first.normal)
          await session.save(other)
        }
        await (await session.find('b')).normal.delete()
        await (await session.find('c')).normal.save('own.txt', 'own')
        expect(await (await session.find('a')).normal.text()).toBe('shared')
        await expectNoOrphan()
      })

      it('stays when it moves to another row in one transaction', async () => {
        await saved('a', 'moved')
        await session.transaction(async unit => {
          const from = await unit.find('a')
          const to = unit.make('b')
          to.normal.assign(from.normal)
          await unit.remove(from)
          await unit.save(to)
        })
        expect(await (await session.find('b')).normal.text()).toBe('moved')
      })

      it('is another one where names differ in case alone, whatever the database compares', async () => {
        await saved('Photo')
        await storage.save('tests/photo.txt', 'other')
        const other = session.make('other')
        other.normal.assign('tests/photo.txt')
        await session.save(other)
        await session.remove(await session.find('Photo'))
        expect(await stored()).toEqual(['tests/default.txt', 'tests/photo.txt'])
      })

      it('stays where another column of the row has it', async () => {
        const row = await saved('a', 'twice')
        row.random.assign(row.normal)
        await session.save(row)
        await row.normal.delete()
        expect(await (await session.find('a')).random.text()).toBe('twice')
      })
    })

    describe('without writing the row', () => {
      it('stores the file, and the next write of the row takes it along', async () => {
        const row = await saved('a', 'old')
        await row.normal.save('b.txt', 'superseded', { save: false })
        await row.normal.save('c.txt', 'new', { save: false })
        expect(await session.names()).toContain('tests/a.txt')
        await session.save(row)
        expect(await (await session.find('a')).normal.text()).toBe('new')
        await expectNoOrphan()
      })

      it('keeps the file of another row that this one was only given', async () => {
        const first = await saved('a')
        const row = await saved('b')
        row.normal.assign(first.normal.name)
        await row.normal.delete({ save: false })
        expect(await first.normal.text()).toBe('a')
        await session.save(row)
        expect((await session.find('b')).normal.hasFile()).toBe(false)
        await expectNoOrphan()
      })

      it('empties the column of a row that shows no file any more', async () => {
        const row = await saved('a')
        await row.normal.delete({ save: false })
        await row.normal.delete()
        const other = await saved('b')
        other.normal.assign(null)
        await other.normal.delete()
        await expectNoOrphan()
        expect((await session.find('b')).normal.hasFile()).toBe(false)
      })

      it('deletes the file at once, and the next write empties the column', async () => {
        const row = await saved('a')
        await row.normal.delete({ save: false })
        expect(await stored()).toEqual(['tests/default.txt'])
        expect(await session.names()).toContain('tests/a.txt')
        await session.save(row)
        await expectNoOrphan()
      })
    })

    describe('two at once', () => {
      it('gives two rows that save one name two names', async () => {
        const rows = ['a', 'b'].map(title => session.make(title))
        for (const row of rows) await session.save(row)
        await Promise.all(rows.map(row => row.normal.save('same.txt', row.title)))
        for (const row of rows) expect(await row.normal.text()).toBe(row.title)
        await expectNoOrphan()
      })

      it('leaves a row that is replaced twice with one file', async () => {
        await saved('a')
        const copies = [await session.find('a'), await session.find('a')]
        const results = await Promise.allSettled(
          copies.map((row, index) => row.normal.save(`${index}.txt`, String(index))),
        )
        expect(results.some(({ status }) => status === 'fulfilled')).toBe(true)
        const found = await session.find('a')
        expect(['0', '1']).toContain(await found.normal.text())
        await expectNoOrphan()
      })

      it('leaves a row that was replaced behind the back of another copy with one file', async () => {
        await saved('a')
        const late = await session.find('a')
        await (await session.find('a')).normal.save('first.txt', 'first')
        await late.normal.save('second.txt', 'second')
        expect(await (await session.find('a')).normal.text()).toBe('second')
        await expectNoOrphan()
      })

      it('removes the file that the row really has when a stale copy is deleted', async () => {
        await saved('a')
        const late = await session.find('a')
        await (await session.find('a')).normal.save('first.txt', 'first')
        await session.remove(late)
        expect(await stored()).toEqual(['tests/default.txt'])
      })

      it('stores content once when one row is saved twice at once', async () => {
        const row = await saved('a')
        row.normal.assign(new ContentFile('new', 'new.txt'))
        await Promise.allSettled([session.save(row), session.save(row)])
        await session.save(row)
        expect(await (await session.find('a')).normal.text()).toBe('new')
        await expectNoOrphan()
      })

      it('ends saves of two files for a row that is gone, and leaves none that no row names', async () => {
        await saved('a')
        const row = await session.find('a')
        await session.remove(await session.find('a'))
        // TypeORM writes such a row anew.
        await Promise.allSettled([row.random.save('r.txt', 'r'), row.normal.save('n.txt', 'n')])
        await expectNoOrphan()
      })

      it('saves no file of a row object that was deleted', async () => {
        const row = await saved('a')
        await session.remove(row)
        await expect(row.random.save('r.txt', 'r')).rejects.toThrow()
        await expect(session.find('a')).rejects.toThrow()
        await expectNoOrphan()
      })

      it('lets a reader of a row that is deleted meanwhile know', async () => {
        const row = await saved('a', 'alpha')
        const copy = await session.find('a')
        await copy.normal.open()
        await session.remove(row)
        expect(await copy.normal.read(2)).toHaveLength(2)
        await expect(copy.normal.text()).rejects.toMatchObject({ name: 'FileNotFoundError' })
      })
    })

    describe('a storage that goes away', () => {
      it('does not undo a write that was committed: gc removes what stays', async () => {
        const row = await saved('a', 'old')
        const remove = storage.delete
        storage.delete = async () => {
          throw new Error('the storage is gone')
        }
        await row.normal.save('b.txt', 'new')
        storage.delete = remove
        expect(await (await session.find('a')).normal.text()).toBe('new')
        expect(await stored()).toEqual(['tests/a.txt', 'tests/b.txt', 'tests/default.txt'])
      })

      it('leaves the row as it was when the new file cannot be stored', async () => {
        const row = await saved('a', 'old')
        const save = storage.save
        storage.save = async () => {
          throw new Error('the storage is gone')
        }
        row.normal.assign(new ContentFile('new', 'b.txt'))
        await expect(session.save(row)).rejects.toThrow('the storage is gone')
        storage.save = save
        expect(await (await session.find('a')).normal.text()).toBe('old')
        await expectNoOrphan()
      })
    })

    describe('any plan of writes', () => {
      const differences = async (): Promise<string[]> => {
        const there = new Set(await stored())
        const names = new Set([...(await session.names()), 'tests/default.txt'])
        return [
          ...[...there].filter(name => !names.has(name)).map(name => `without a row: ${name}`),
          ...[...names]
            .filter(name => name && !there.has(name))
            .map(name => `without a file: ${name}`),
        ]
      }

      it('gives rows their files, and leaves no other', { timeout: 600_000 }, async () => {
        let runs = 0
        const property = fc.asyncProperty(plans, async plan => {
          const before = await differences()
          const run = new PlanRun(session, `plan ${++runs}`)
          await run.run(plan)
          const [actual, expected] = await run.outcome()
          expect(actual).toEqual(expected)
          expect((await differences()).filter(text => !before.includes(text))).toEqual([])
        })
        await fc.assert(property, planSettings)
      })
    })

    describe('what goes past the rows', () => {
      it('is handled or refused, and never leaves a file behind', async () => {
        const outcomes: Record<string, string> = {}
        for (const [way, run] of Object.entries(session.bulk)) {
          const row = await saved(way)
          const name = row.normal.name ?? ''
          outcomes[way] = await run(way).then(
            () => 'handled',
            (error: unknown) => {
              expect(error, `${way}: ${String(error)}`).toBeInstanceOf(UnsupportedError)
              return 'refused'
            },
          )
          if (outcomes[way] === 'refused') expect(await session.names()).toContain(name)
          await expectNoOrphan().catch(error => {
            throw new Error(`${way} (${outcomes[way]}) left files behind`, { cause: error })
          })
        }
        expect(outcomes).toMatchSnapshot()
      })

      it('is not what users have typed', async () => {
        const last = session.make('; DELETE FROM documents; ')
        await session.save(last)
        for (const typed of [
          "I can't delete from documents that aren't mine",
          "it's; DELETE FROM documents; --",
          String.raw`a\'; DELETE FROM documents; --`,
          String.raw`a\"; DELETE FROM documents; --`,
          String.raw`C:\', normal = 'x`,
          ']; DELETE FROM documents; [',
          '"; DELETE FROM documents; "',
          '`; DELETE FROM documents; `',
          '$$; DELETE FROM documents; $$',
          "*/; DELETE FROM documents; /* ' --",
          "# ' \n ; DELETE FROM documents; --",
        ]) {
          await saved(typed)
          const row = await session.find(typed)
          row.title = `${typed}!`
          await session.save(row)
          await session.bulk['update of other columns']?.(row.title)
          await session.remove(await session.find(row.title))
        }
        await session.remove(await session.find(last.title))
        expect(await stored()).toEqual(['tests/default.txt'])
      })
    })

    describe('a cache', () => {
      it('is refused content that was never stored', () => {
        const row = session.make('a')
        row.normal.assign(new ContentFile('x', 'x.txt'))
        expect(() => fileCodec.encode(row)).toThrow(ValidationError)
      })

      it('gives rows back with their columns and files, whichever library keeps them', async () => {
        await saved('a', 'alpha')
        const row = await session.find('a')
        const copies = [
          fileCodec.decode(fileCodec.encode([row])),
          superjson.parse(superjson.stringify([row])),
          devalue.parse(devalue.stringify([row], devalueFiles.reducers), devalueFiles.revivers),
        ] as Row[][]
        for (const [copy] of copies) {
          expect(copy?.title).toBe('a')
          expect(await copy?.normal.text()).toBe('alpha')
          expect(await copy?.normal.url()).toBe('/media/tests/a.txt')
          expect(copy?.random.hasFile()).toBe(false)
        }
      })

      it('gets nothing of the storage from a clone of a row or a file', async () => {
        Object.assign(storage, { secretKey: 'do-not-tell' })
        const row = await saved('a')
        const found = await session.find('a')
        for (const value of [row.normal, row, found, { ...found }]) {
          expect(inspect(value, { depth: 9, showHidden: true })).not.toContain('do-not-tell')
          const bytes = cloned(value)
          expect(bytes).not.toContain('do-not-tell')
        }
      })
    })
  })
}
