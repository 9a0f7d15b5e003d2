import { expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { type Creation, FileScope } from './lifecycle.ts'

async function stored(storage: MemoryStorage): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('')) names.push(name)
  return names
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
    const creation: Creation = {
      storage,
      name,
      settled: true,
      written: true,
      holders: 0,
      kept: false,
      uses: async () => used,
      revert: () => reverted.push(name),
    }
    scope.created(creation)
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
    scope.created({
      storage,
      name,
      settled: true,
      written: true,
      holders: 0,
      kept: false,
      uses: async () => used,
    })
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
    inner.created({
      storage,
      name: 'new',
      settled: true,
      written: true,
      holders: 0,
      kept: false,
      uses: async () => 0,
      revert: () => reverted.push('new'),
    })
    await inner.abandon()
    expect(await stored(storage)).toEqual(['new'])
    await outer[end]()
    expect(await stored(storage)).toEqual(left)
    expect(reverted.length > 0).toBe(end === 'rollback')
    expect(warn).toHaveBeenCalledTimes(end === 'rollback' ? 0 : 1)
    warn.mockRestore()
  },
)
