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
