import { describe, expect, it } from 'vitest'
import { MemoryStorage, UnsupportedError } from '../index.ts'
import { FileField } from './file-field.ts'
import { FileModel } from './file-models.ts'
import { FileProperty } from './rows.ts'

const storage = new MemoryStorage({})

interface Row {
  avatar?: unknown
}

function rowOf(loaded: string | null | undefined): readonly [Row, FileProperty<Row>] {
  const property = new FileProperty<Row>('avatar', new FileField({ storage }), (row, own) => ({
    owner: row,
    setName: () => own.told(row),
  }))
  const row: Row = {}
  property.defineOn(row)
  property.load(row, loaded)
  return [row, property]
}

describe('a file property', () => {
  it.each(['looked at', 'never looked at'])('keeps what it has for undefined, %s', how => {
    const [row, property] = rowOf('a.txt')
    if (how === 'looked at') property.get(row)
    row.avatar = undefined
    expect(property.value(row)).toBe('a.txt')
    expect(property.get(row).name).toBe('a.txt')
  })

  it.each(['looked at', 'never looked at'])('is emptied by null, %s', how => {
    const [row, property] = rowOf('a.txt')
    if (how === 'looked at') property.get(row)
    row.avatar = null
    expect(property.value(row)).toBe('')
    expect(property.get(row).name).toBe(null)
  })

  it('leaves a column that holds NULL as it is', () => {
    const [row, property] = rowOf(undefined)
    row.avatar = null
    expect(property.value(row)).toBe(undefined)
  })

  it.each(['looked at', 'never looked at'])('is nothing that a copy of the row has, %s', how => {
    const [row, property] = rowOf('a.txt')
    if (how === 'looked at') property.get(row)
    const copy = { ...row }
    expect(Reflect.ownKeys(copy)).toEqual([])
    expect(property.column(copy)).toBeUndefined()
    expect(property.peek(copy)).toBeUndefined()
  })

  it('is refused behind a proxy, which hides it', () => {
    const [row, property] = rowOf('a.txt')
    const proxy = new Proxy(row, {})
    expect(() => property.get(proxy)).toThrow(UnsupportedError)
    expect(() => property.set(proxy, 'b.txt')).toThrow('"avatar" of the row itself')
    expect(property.column(row)).toBe('a.txt')
  })
})

describe('a model', () => {
  const keeps = new FileField({ storage, onReplace: 'keep', onDelete: 'keep' })
  const cleans = new FileField({ storage })
  const model = new FileModel('rows', [
    { property: 'kept', field: keeps },
    { property: 'avatar', field: cleans, column: 'avatar_name' },
  ])

  it('is touched by names that replace files, and by content', () => {
    expect(model.touched({ avatar: 'a.txt', kept: 'b.txt', other: 1 })).toEqual(['avatar'])
    expect(model.touched({ avatar: null })).toEqual(['avatar'])
    expect(model.touched({ kept: new File(['x'], 'x.txt') })).toEqual(['kept'])
    expect(model.touched({ avatar: undefined, kept: undefined })).toEqual([])
    expect(model.touched(undefined)).toEqual([])
  })

  it('refuses deletions only where files go along', () => {
    expect(() => model.refuseDeletion('delete()', 'remove()')).toThrow(/avatar/)
    const kept = new FileModel('kept', [{ property: 'kept', field: keeps }])
    expect(() => kept.refuseDeletion('delete()', 'remove()')).not.toThrow()
  })
})
