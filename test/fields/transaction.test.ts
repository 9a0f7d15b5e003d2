import { setTimeout } from 'node:timers/promises'
import { MemoryStorage } from 'stowage'
import { FileField, fileTransaction } from 'stowage/fields'
import { expect, it } from 'vitest'

const stored = async (storage: MemoryStorage): Promise<string[]> => {
  const found: string[] = []
  for await (const { name } of storage.list('', { recursive: true })) found.push(name)
  return found
}

it('a file of no row follows the file transaction that it is saved and deleted in', async () => {
  const storage = new MemoryStorage({})
  const field = new FileField({ storage })
  const failure = new Error('roll back')

  const failed = fileTransaction(async () => {
    await field.file(null).save('new.txt', 'new', { save: false })
    throw failure
  })
  await expect(failed).rejects.toBe(failure)
  expect(await stored(storage)).toEqual([])

  await fileTransaction(() => field.file(null).save('old.txt', 'old', { save: false }))
  const undone = fileTransaction(async () => {
    await field.file('old.txt').delete({ save: false })
    throw failure
  })
  await expect(undone).rejects.toBe(failure)
  expect(await stored(storage)).toEqual(['old.txt'])

  await fileTransaction(async () => {
    await field.file('old.txt').delete({ save: false })
    expect(await stored(storage)).toEqual(['old.txt'])
  })
  expect(await stored(storage)).toEqual([])
})

it('a file that may have replaced another of its name stays when the transaction is rolled back', async () => {
  const storage = new MemoryStorage({})
  const field = new FileField({ storage, overwrite: true })
  await field.file(null).save('me.txt', 'first', { save: false })
  const failed = fileTransaction(async () => {
    await field.file('me.txt').save('me.txt', 'second', { save: false })
    throw new Error('roll back')
  })
  await expect(failed).rejects.toThrow('roll back')
  expect(await stored(storage)).toEqual(['me.txt'])
})

it('files that are still being stored when the transaction is rolled back go as well', async () => {
  const storage = new MemoryStorage({})
  const field = new FileField({ storage })
  const slow = async function* (): AsyncGenerator<Uint8Array> {
    await setTimeout(20)
    yield new Uint8Array(3)
  }
  let late: Promise<void> | undefined
  const failed = fileTransaction(async () => {
    late = field.file(null).save('late.txt', slow(), { save: false })
    await field.file(null).save('new.txt', 'new', { save: false })
    throw new Error('roll back')
  })
  await expect(failed).rejects.toThrow('roll back')
  await late
  expect(await stored(storage)).toEqual([])
})
