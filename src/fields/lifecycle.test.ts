import { expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { PreconditionFailedError } from '../core/errors.ts'
import { type Creation, FileScope, inScope, newCreation, type Removal } from './lifecycle.ts'

async function stored(storage: MemoryStorage): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('')) names.push(name)
  return names
}

/** A new file that a row was written with. */
function written(removal: Removal): Creation {
  return Object.assign(newCreation(removal), { settled: true, written: true })
}

it.each([
  ['asks which new files rows have, where a statement of it has failed', true, ['kept.txt']],
  ['asks for no new file otherwise', false, ['kept.txt', 'lost.txt']],
])('a transaction that commits %s', async (_, isDoubtful, left) => {
  const storage = new MemoryStorage({})
  const reverted: string[] = []
  const outer = new FileScope()
  const scope = new FileScope(outer)
  for (const [name, used] of [['kept.txt', 1] as const, ['lost.txt', 0] as const]) {
    await storage.save(name, name)
    scope.created(
      written({ storage, name, uses: async () => used, revert: () => reverted.push(name) }),
    )
  }
  if (isDoubtful) scope.doubt()
  await scope.commit()
  await outer.commit()
  expect(await stored(storage)).toEqual(left)
  expect(reverted).toEqual(isDoubtful ? ['lost.txt'] : [])
})

it('a transaction whose commit was not answered leaves what no row names, and says so', async () => {
  const storage = new MemoryStorage({})
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const scope = new FileScope()
  for (const name of ['kept', 'new', 'old', 'used']) await storage.save(name, name)
  for (const [name, used] of [['kept', 1] as const, ['new', 0] as const])
    scope.created(written({ storage, name, uses: async () => used }))
  scope.removed({ storage, name: 'old', uses: async () => 0 })
  scope.removed({ storage, name: 'used', uses: async () => 1 })
  await scope.abandon()
  expect(await stored(storage)).toEqual(['kept', 'new', 'used'])
  expect(warn.mock.calls.map(([message]) => message)).toEqual([
    expect.stringContaining('"new"') as string,
  ])
  warn.mockRestore()
})

it.each([
  ['was rolled back removes', 'rollback', []],
  ['was committed leaves', 'commit', ['new']],
  ['is lost, too, leaves', 'abandon', ['new']],
] as const)(
  'a transaction that %s the new file of a lost write inside it',
  async (_, end, left) => {
    const storage = new MemoryStorage({})
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await storage.save('new', 'new')
    const outer = new FileScope()
    const inner = new FileScope(outer)
    const reverted: string[] = []
    inner.created(
      written({
        storage,
        name: 'new',
        uses: async () => 0,
        revert: () => reverted.push('new'),
      }),
    )
    await inner.abandon()
    expect(await stored(storage)).toEqual(['new'])
    await outer[end]()
    expect(await stored(storage)).toEqual(left)
    expect(reverted.length > 0).toBe(end === 'rollback')
    expect(warn).toHaveBeenCalledTimes(end === 'rollback' ? 0 : 1)
    warn.mockRestore()
  },
)

it.each([
  ['removes what a write of it stores after it was rolled back', true, 0, []],
  ['keeps it where a row was written all the same', true, 1, ['late']],
  ['removes what is stored for no row after it was rolled back', false, 0, []],
] as const)('a transaction %s', async (_, isWritten, uses, left) => {
  const storage = new MemoryStorage({})
  const outer = new FileScope()
  let store: (() => void) | undefined
  const late = inScope(outer, async scope => {
    await new Promise<void>(resolve => {
      store = resolve
    })
    await storage.save('late', 'late')
    const creation = newCreation({ storage, name: 'late', uses: async () => uses })
    scope.created(Object.assign(creation, { settled: true, written: isWritten }))
  })
  await outer.rollback()
  store?.()
  await late
  expect(await stored(storage)).toEqual(left)
})

it.each(['commit', 'rollback'] as const)(
  'a write that fails while its transaction ends, by a %s, leaves no file',
  async end => {
    const storage = new MemoryStorage({})
    await storage.save('new', 'new')
    const outer = new FileScope()
    const inner = new FileScope(outer)
    let fail = (_: Error): void => {}
    const counted = new Promise<number>((_, reject) => {
      fail = reject
    })
    const uses = async (isOver: boolean) => (isOver ? 0 : await counted)
    inner.created(written({ storage, name: 'new', uses }))
    const undone = inner.rollback()
    await outer[end]()
    fail(new Error('the transaction is over'))
    await undone
    expect(await stored(storage)).toEqual([])
  },
)

it('a transaction with very many rows settles them in a time that grows with their number', async () => {
  const storage = new MemoryStorage({})
  const outer = new FileScope()
  const count = 20_000
  for (let row = 0; row < count; row++) {
    const scope = new FileScope(outer)
    scope.created(written({ storage, name: `new/${row}`, uses: async () => 1 }))
    scope.named(storage, `new/${row}`)
    scope.removed({ storage, name: `old/${row}`, uses: async () => 1 })
    await scope.commit()
  }
  await outer.commit()
  expect(outer.isOver).toBe(true)
})

it('a transaction that has ended takes no more writes, nor do the savepoints in it', () => {
  const outer = new FileScope()
  const savepoint = new FileScope(outer, true)
  const other = new FileScope(outer)
  other.end()
  expect(() => other.checkOpen()).toThrow('The transaction ended before the row was written')
  savepoint.checkOpen()
  outer.end()
  expect(() => savepoint.checkOpen()).toThrow(PreconditionFailedError)
})
