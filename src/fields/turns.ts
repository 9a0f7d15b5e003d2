import { AsyncLocalStorage } from 'node:async_hooks'

/** A turn of somebody, and the one of somebody else that it is taken in. */
interface Turn {
  readonly of: object
  readonly outer: Turn | undefined
  isOver: boolean
}

const turns = new AsyncLocalStorage<Turn>()

/** Whether it is somebody's turn, and this is part of it. */
export function isInTurn(of: object): boolean {
  for (let turn = turns.getStore(); turn !== undefined; turn = turn.outer)
    if (turn.of === of && !turn.isOver) return true
  return false
}

/** Does the work as somebody's turn. */
export async function takeTurn(of: object, work: () => Promise<void>): Promise<void> {
  const own: Turn = { of, outer: turns.getStore(), isOver: false }
  try {
    await turns.run(own, work)
  } finally {
    own.isOver = true
  }
}
