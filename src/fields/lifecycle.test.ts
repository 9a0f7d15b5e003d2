import { expect, it } from 'vitest'
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
