import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { FileSystemStorage, MemoryStorage, type Storage } from 'stowage'
import { collectGarbage } from 'stowage/fields'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testAdapter } from '../fields/adapter-suite.ts'
import { LosingProxy, type Loss, losses } from '../fields/harness/losing-proxy.ts'
import { fieldsOn, type Session } from '../fields/harness/session.ts'
import { PlanRun, pairSettings, plans } from '../fields/plans.ts'
import { type AdapterName, adapters } from './adapters.ts'
import { bundleContender, Contender, type Order, type Outcome } from './contest.ts'
import {
  createPlace,
  disconnectAll,
  dropPlace,
  execute,
  kinds,
  labelOf,
  type Place,
} from './place.ts'
import { obey } from './work.ts'

const labels: Readonly<Record<AdapterName, string>> = {
  typeorm: 'TypeORM',
  sequelize: 'Sequelize',
  mikroOrm: 'MikroORM',
  drizzle: 'Drizzle',
  prisma: 'Prisma',
}

/** Ids of fields are given once in a process. */
let opened = 0

function newIds(): { readonly ids: string } {
  return { ids: `database ${++opened}` }
}

/** What an adapter promises, on each database server. */
export function testDatabases(adapter: AdapterName): void {
  describe.each(kinds)('%s', kind => {
    let place: Place

    beforeAll(async () => {
      place = await createPlace(kind)
    })

    afterAll(async () => {
      await dropPlace(place)
    })

    const name = `${labels[adapter]} on ${labelOf(kind)}`
    testAdapter(name, {
      open: async fields => await adapters[adapter](place, fields, { create: true }),
    })
    describe(`rows of ${name} that change at once`, () => {
      testContests(adapter, () => place)
    })
    describe(`a ${labelOf(kind)} server that goes away under ${labels[adapter]}`, () => {
      testLoss(adapter, () => place)
    })
    describe.each(losses)(`a statement to ${labelOf(kind)} by ${name} that is %s`, loss => {
      testLostStatement(adapter, loss, () => place)
    })
  })
}

function testContests(adapter: AdapterName, place: () => Place): void {
  const titles = ['a', 'b']
  let folder: string
  let storage: Storage
  let session: Session
  let contenders: Contender[]

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-contest-'))
    storage = new FileSystemStorage({ location: folder, baseUrl: '/media/' })
    session = await adapters[adapter](place(), fieldsOn(storage, newIds()), {
      create: true,
    })
    for (const title of titles) await session.save(session.make(title))
    const script = await bundleContender(`${adapter}-${place().kind}`)
    const arena = { adapter, place: place(), folder }
    contenders = await Promise.all([1, 2].map(() => Contender.start(script, arena)))
  })

  afterAll(async () => {
    await Promise.all(contenders.map(contender => contender.stop()))
    await session.close()
    await rm(folder, { recursive: true })
  })

  const contest = async (orders: readonly Partial<Order>[]): Promise<Outcome[]> => {
    const common = { task: 'replace', titles, count: 1, start: Date.now() + 50 } as const
    return await Promise.all(
      contenders.map((contender, index) =>
        contender.run({ ...common, id: index, ...orders[index] }),
      ),
    )
  }

  const expectNoOrphan = async (): Promise<void> => {
    expect(await filesOf(storage)).toEqual(await namesOf(session))
  }

  it('get two names and two contents for one name that two processes save', async () => {
    await contest([{ titles: ['a'] }, { titles: ['b'] }])
    const files = [(await session.find('a')).normal, (await session.find('b')).normal]
    expect(new Set(files.map(({ name }) => name)).size).toBe(2)
    expect(await Promise.all(files.map(file => file.text()))).toEqual([
      'contender 0, turn 0',
      'contender 1, turn 0',
    ])
    await expectNoOrphan()
  })

  it('have the file of one of two processes that replace it again and again', async () => {
    const order = { titles: ['a'], count: 10 }
    const outcomes = await contest([order, order])
    expect(outcomes.some(({ done }) => done > 0)).toBe(true)
    expect(await (await session.find('a')).normal.text()).toMatch(/^contender [01], turn \d+$/)
    await expectNoOrphan()
  })

  it('have both files that are saved at once while others have locked them', async () => {
    await session.save(session.make('c'))
    const row = await session.find('c')
    const lock = new EventEmitter()
    const held = session.transaction(async unit => {
      await unit.lock?.('c')
      lock.emit('taken')
      await once(lock, 'released')
    })
    await once(lock, 'taken')
    const first = row.normal.save('n.txt', 'n')
    await sleep(100)
    const second = row.random.save('r.txt', 'r')
    await sleep(100)
    lock.emit('released')
    await Promise.all([first, second, held])
    const { normal, random } = await session.find('c')
    expect([normal.name, random.name]).not.toContain(null)
    expect([await normal.text(), await random.text()]).toEqual(['n', 'r'])
    await expectNoOrphan()
  })

  it('have the file that they had when a save goes on while its transaction is undone', async () => {
    await session.save(session.make('d'))
    await (await session.find('d')).normal.save('first.txt', 'first')
    for (let delay = 0; delay < 20; delay += 2) {
      let late: Promise<void> | undefined
      const run = session.transaction(async unit => {
        const row = await unit.find('d')
        await row.normal.save('second.txt', 'second')
        late = row.normal.save('third.txt', 'third')
        await Promise.all([late, sleep(delay).then(() => Promise.reject(new Error('undone')))])
      })
      await expect(run).rejects.toThrow()
      await Promise.allSettled([late])
      await expectNoOrphan()
    }
  })

  it('leave nothing behind and lose nothing, whatever deadlocks and rolls back', async () => {
    const order = { task: 'mix', count: 15 } as const
    const outcomes = await contest([
      { ...order, id: 11 },
      { ...order, id: 22 },
    ])
    expect(outcomes.reduce((sum, { done }) => sum + done, 0)).toBeGreaterThan(0)
    await expectNoOrphan()
  })

  // No two runs are the same: which of the two waits for the other, the database decides, and the storage.
  it('have their files, and leave none, whatever two plans do to them', {
    timeout: 600_000,
  }, async () => {
    let runs = 0
    let done = 0
    const { save } = storage
    storage.save = async (...args) => {
      const name = await save.apply(storage, args)
      await sleep(Math.random() * 5)
      return name
    }
    const property = fc.asyncProperty(plans, plans, async (...both) => {
      const name = `plan ${++runs}`
      await new PlanRun(session, name).run([])
      const works = both.map(plan => new PlanRun(session, name).contend(plan))
      for (const count of await Promise.all(works)) done += count
      await expectNoOrphan()
    })
    await fc.assert(property, { ...pairSettings, endOnFailure: true })
    storage.save = save
    expect(done).toBeGreaterThan(runs)
  })

  it('leave nothing behind when transactions that cannot be ordered fail', async () => {
    if (place().kind === 'postgres') {
      const { pathname } = new URL(place().url)
      const setting = "default_transaction_isolation = 'serializable'"
      await execute(place(), `ALTER DATABASE ${pathname.slice(1)} SET ${setting}`)
    }
    const fields = fieldsOn(storage, newIds())
    const others = [
      await adapters[adapter](place(), fields, { create: false }),
      await adapters[adapter](place(), fields, { create: false }),
    ]
    const order = { task: 'mix', titles, count: 10, start: 0 } as const
    await Promise.all(others.map((other, index) => obey(other, { ...order, id: 33 + index })))
    for (const other of others) await other.close()
    await expectNoOrphan()
  })
}

function testLoss(adapter: AdapterName, place: () => Place): void {
  let storage: Storage
  let session: Session

  const open = async (create: boolean): Promise<Session> =>
    await adapters[adapter](place(), fieldsOn(storage, newIds()), { create })

  beforeEach(async () => {
    storage = new MemoryStorage({ baseUrl: '/media/' })
    session = await open(true)
    const row = session.make('a')
    await row.normal.save('old.txt', 'old')
  })

  afterEach(async () => {
    // A pool may wait for its lost connections for ever.
    await Promise.race([session.close().catch(() => {}), sleep(1000)])
  })

  it('between storing and commit takes no file that a row names, and leaves the rest to gc', async () => {
    const run = session.transaction(async unit => {
      const row = await unit.find('a')
      await row.normal.save('new.txt', 'new')
      expect(await filesOf(storage)).toEqual(['tests/new.txt', 'tests/old.txt'])
      await disconnectAll(place())
    })
    await expect(run).rejects.toThrow()

    const later = await open(false)
    expect(await (await later.find('a')).normal.text()).toBe('old')
    const used = await namesOf(later)
    for await (const { state } of collectGarbage({ storage, used, olderThan: 0, delete: true }))
      expect(state).toBe('deleted')
    expect(await filesOf(storage)).toEqual(['tests/old.txt'])
    await later.close()
  })
}

type Write = 'save' | 'remove'

/** What is sent with the statement that decides over a single write outside of a transaction; some open one for it. */
function deciding(adapter: AdapterName, { kind }: Place, write: Write): RegExp {
  // MySQL is given a statement first, and in another message its values.
  if (adapter === 'sequelize' && write === 'save') return /new\.txt/
  const isAlone =
    adapter === 'drizzle' ||
    adapter === 'sequelize' ||
    (adapter === 'prisma' && kind === 'postgres')
  if (!isAlone) return /\bcommit\b/i
  return write === 'save' ? /\bupdate\b/i : /\bdelete\b/i
}

/** The connection is lost while the database is told to do something. */
function testLostStatement(adapter: AdapterName, loss: Loss, place: () => Place): void {
  const isDone = loss !== 'unsent'
  let storage: Storage
  let proxy: LosingProxy
  let session: Session

  beforeEach(async () => {
    storage = new MemoryStorage({ baseUrl: '/media/' })
    proxy = await LosingProxy.open(place().url)
    session = await adapters[adapter]({ ...place(), url: proxy.url }, fieldsOn(storage, newIds()), {
      create: true,
    })
    for (const title of ['a', 'b']) await session.make(title).normal.save(`${title}.txt`, title)
  })

  afterEach(async () => {
    // A pool may wait for its lost connections for ever.
    await Promise.race([session.close().catch(() => {}), sleep(1000)])
    await proxy.close()
  })

  const expectFiles = async (expected: readonly (readonly [string, string])[]): Promise<void> => {
    const fields = fieldsOn(storage, newIds())
    const later = await adapters[adapter](place(), fields, { create: false })
    const used = await namesOf(later)
    for await (const { state } of collectGarbage({ storage, used, olderThan: 0, delete: true }))
      expect(state).toBe('deleted')
    for (const [title, content] of expected)
      expect(await (await later.find(title)).normal.text()).toBe(content)
    expect(await filesOf(storage)).toEqual(used)
    expect(used).toHaveLength(expected.length)
    await later.close()
  }

  it('takes no file that a row names when it is a commit', async () => {
    let settled: Promise<void> | undefined
    const run = session.transaction(async unit => {
      await (await unit.find('a')).normal.save('new.txt', 'new')
      await unit.make('c').normal.save('c.txt', 'c')
      await unit.remove(await unit.find('b'))
      settled = proxy.lose(/\bcommit\b/i, loss)
    })
    await expect(run).rejects.toThrow()
    await settled
    const done = [
      ['a', 'new'],
      ['c', 'c'],
    ] as const
    const undone = [
      ['a', 'a'],
      ['b', 'b'],
    ] as const
    await expectFiles(isDone ? done : undone)
  })

  it('takes no file that a row names when it is a write of no transaction', async () => {
    const row = await session.find('a')
    const settled = proxy.lose(deciding(adapter, place(), 'save'), loss)
    await expect(row.normal.save('new.txt', 'new')).rejects.toThrow()
    await settled
    await expectFiles([
      ['a', isDone ? 'new' : 'a'],
      ['b', 'b'],
    ])
  })

  // What is done later than anybody looks leaves the old file in silence.
  if (loss === 'late') return

  it.each<Write>(['save', 'remove'])(
    'leaves no file in silence when it is a %s of no transaction',
    async write => {
      const warned: string[] = []
      const hear = ({ message }: Error) => warned.push(message)
      process.on('warning', hear)
      const row = await session.find('a')
      const settled = proxy.lose(deciding(adapter, place(), write), loss)
      const run = write === 'save' ? row.normal.save('new.txt', 'new') : session.remove(row)
      await expect(run).rejects.toThrow()
      await settled
      await sleep(10)
      process.off('warning', hear)
      const used = await namesOf(session)
      const left = (await filesOf(storage)).filter(name => !used.includes(name))
      for (const name of left) expect(warned.join()).toContain(JSON.stringify(name))
      expect(await filesOf(storage)).toEqual(expect.arrayContaining(used))
    },
  )
}

async function filesOf(storage: Storage): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of storage.list('', { recursive: true })) found.push(name)
  return found.toSorted()
}

/** Names that rows have, without the default's. */
async function namesOf(session: Session): Promise<string[]> {
  const names = (await session.names()).filter(name => name !== null && name !== '')
  return names
    .filter(name => name !== null)
    .filter(name => name !== 'tests/default.txt')
    .toSorted()
}
