import { AsyncLocalStorage } from 'node:async_hooks'

/** A turn, and the one of something else that it is taken in. */
interface Turn {
  readonly turns: Turns
  readonly outer: Turn | undefined
  isOver: boolean
}

const running = new AsyncLocalStorage<Turn>()

/** What is done to one thing one after the other; what is asked for during one of them happens within it. */
export class Turns {
  readonly #last = new Map<unknown, Promise<unknown>>()

  /** @param line waits for those of the same line alone */
  async take<T>(line: unknown, work: () => Promise<T>): Promise<T> {
    if (this.#isDuring(running.getStore())) return await work()
    const own = async (): Promise<T> => {
      const turn: Turn = { turns: this, outer: running.getStore(), isOver: false }
      try {
        return await running.run(turn, work)
      } finally {
        turn.isOver = true
      }
    }
    const before = this.#last.get(line)
    const result = before === undefined ? own() : before.then(own)
    const end = result.then(
      () => {},
      () => {},
    )
    this.#last.set(line, end)
    try {
      return await result
    } finally {
      if (this.#last.get(line) === end) this.#last.delete(line)
    }
  }

  #isDuring(turn: Turn | undefined): boolean {
    if (turn === undefined) return false
    return (turn.turns === this && !turn.isOver) || this.#isDuring(turn.outer)
  }
}
