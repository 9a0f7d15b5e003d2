import { setTimeout as sleep } from 'node:timers/promises'
import type { Session, Unit } from '../fields/harness/session.ts'
import type { Order, Outcome } from './contest.ts'

/** Does what an order says, and goes on whatever is refused. */
export async function obey(session: Session, order: Order): Promise<Outcome> {
  const { task, id, count, titles, start } = order
  const random = randomOf(id)
  const refused: string[] = []
  await sleep(Math.max(0, start - Date.now()))
  for (let turn = 0; turn < count; turn++) {
    const content = `contender ${id}, turn ${turn}`
    const title = titles[random(titles.length)] ?? ''
    const work =
      task === 'replace' ? replace(session, title, content) : step(session, order, random)
    await work.catch(error => refused.push(`${error}`))
  }
  return { done: count - refused.length, refused }
}

async function replace(unit: Unit, title: string, content: string): Promise<void> {
  const row = await unit.find(title)
  await row.normal.save('same.txt', content)
}

/** Any of the ways in which rows change: alone, or two of them in a transaction that may roll back. */
async function step(session: Session, { titles, id }: Order, random: Random): Promise<void> {
  const [first = '', second = ''] = random(2) === 0 ? titles : titles.toReversed()
  const content = `contender ${id}, ${random(1000)}`
  switch (random(6)) {
    case 0:
      return await replace(session, first, content)
    case 1:
      return await (await session.find(first)).normal.delete()
    case 2:
      await session.remove(await session.find(first))
      return await session.save(session.make(first))
    default:
      await session.transaction(async unit => {
        await replace(unit, first, content)
        await unit.nested?.(nested => savepoint(nested, second, content, random)).catch(gotOver)
        await replace(unit, second, content)
        if (random(3) === 0) throw onPurpose
      })
  }
}

const onPurpose = new Error('rolled back on purpose')

async function savepoint(
  unit: Unit,
  title: string,
  content: string,
  random: Random,
): Promise<void> {
  await replace(unit, title, content)
  if (random(2) === 0) throw onPurpose
}

/** A deadlock ends the whole transaction of MariaDB: nobody goes on after it. */
function gotOver(error: unknown): void {
  if (error !== onPurpose) throw error
}

type Random = (below: number) => number

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): Random {
  let state = seed * 2_654_435_761
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
