import fc from 'fast-check'
import { ContentFile } from 'stowage'
import type { Row, Session, Unit } from './harness/session.ts'

type Column = 'normal' | 'random'

/** What is done with rows, which are numbered; the row objects of a unit are found anew, or taken again. */
type Step =
  | { readonly kind: 'create' | 'clash'; readonly row: number; readonly columns: readonly Column[] }
  | {
      readonly kind: 'save' | 'delete'
      readonly row: number
      readonly column: Column
      readonly again: boolean
    }
  | {
      readonly kind: 'assign' | 'together'
      readonly row: number
      readonly columns: readonly Column[]
      readonly again: boolean
    }
  | { readonly kind: 'remove'; readonly row: number; readonly again: boolean }
  | { readonly kind: 'share'; readonly row: number; readonly from: number; readonly column: Column }
  | { readonly kind: 'unit'; readonly steps: readonly Step[]; readonly isUndone: boolean }

const row = fc.nat({ max: 2 })
const column = fc.constantFrom<Column>('normal', 'random')
const columns = fc.subarray<Column>(['normal', 'random'])
const again = fc.boolean()

const { steps } = fc.letrec<{ readonly steps: Step[]; readonly step: Step }>(tie => ({
  step: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constantFrom('create', 'create', 'clash'), row, columns }),
    fc.record({ kind: fc.constantFrom('save', 'save', 'delete'), row, column, again }),
    fc.record({ kind: fc.constantFrom('assign', 'together'), row, columns, again }),
    fc.record({ kind: fc.constant('remove'), row, again }),
    fc.record({ kind: fc.constant('share'), row, from: row, column }),
    fc.record({ kind: fc.constant('unit'), steps: tie('steps'), isUndone: fc.boolean() }),
    fc.record({ kind: fc.constant('unit'), steps: tie('steps'), isUndone: fc.boolean() }),
  ) as fc.Arbitrary<Step>,
  steps: fc.array(tie('step'), { minLength: 1, maxLength: 8 }),
}))

/** Plans for each adapter and database, `STOWAGE_PLAN_RUNS` for longer hunts; two at once take their time. */
export const planSettings = {
  numRuns: Number(process.env['STOWAGE_PLAN_RUNS'] ?? 30),
  seed: Number(process.env['STOWAGE_PLAN_SEED'] ?? 7),
}

/** Two rows, of which the plans make more. */
const beginning: readonly Step[] = [
  { kind: 'create', row: 0, columns: ['normal', 'random'] },
  { kind: 'create', row: 1, columns: ['normal'] },
]

export const pairSettings = {
  ...planSettings,
  numRuns: Number(process.env['STOWAGE_PLAN_RUNS'] ?? 10),
}

export const plans: fc.Arbitrary<readonly Step[]> = steps

/** The contents of each row, by columns; `''` for none. */
type State = Map<number, Readonly<Record<Column, string>>>

const empty = { normal: '', random: '' }
const onPurpose = new Error('undone on purpose')

/** Carries out a plan on rows of its own, beside what the rows should have then. */
export class PlanRun {
  readonly #session: Session
  readonly #name: string
  #state: State = new Map()
  #contents = 0
  #isAlone = true
  /** Saves that run at once: when one fails, nobody waits for the other. */
  readonly #saves: Promise<void>[] = []

  constructor(session: Session, name: string) {
    this.#session = session
    this.#name = name
  }

  async run(plan: readonly Step[]): Promise<void> {
    const known = new Map<number, Row>()
    for (const step of [...beginning, ...plan]) {
      const before = new Map(this.#state)
      try {
        await this.#step(step, this.#session, known)
      } catch (error) {
        if (!isClash(step)) throw error
        this.#state = before
      }
    }
  }

  /** The same while others change the rows, so that nobody knows which steps succeed; gives how many did. */
  async contend(plan: readonly Step[]): Promise<number> {
    this.#isAlone = false
    let done = 0
    for (const step of plan)
      await this.#step(step, this.#session, new Map()).then(
        () => done++,
        () => {},
      )
    await Promise.allSettled(this.#saves)
    return done
  }

  /** What the rows have, and what they should have. */
  async outcome(): Promise<readonly [actual: unknown, expected: unknown]> {
    const rows = [0, 1, 2]
    const actual = await Promise.all(rows.map(async row => await this.#contentsOf(row)))
    return [actual, rows.map(row => this.#state.get(row))]
  }

  async #contentsOf(row: number): Promise<unknown> {
    if (!this.#state.has(row))
      return await this.#session.find(this.#title(row)).then(
        () => 'a row',
        () => undefined,
      )
    const found = await this.#session.find(this.#title(row))
    const text = async (column: Column): Promise<string> =>
      found[column].hasFile() ? await found[column].text() : ''
    return { normal: await text('normal'), random: await text('random') }
  }

  #title(row: number): string {
    return `${this.#name} ${row}`
  }

  /** Few names, so that they are free and taken in turns. */
  #file(column: Column): readonly [name: string, content: string] {
    return [`${column}.txt`, `${this.#name}, content ${++this.#contents}`]
  }

  async #step(step: Step, unit: Unit, known: Map<number, Row>): Promise<void> {
    if (step.kind === 'unit') {
      known.clear()
      return await this.#unit(step, unit)
    }
    const isThere = this.#state.has(step.row)
    if (this.#isAlone && (step.kind === 'create' ? isThere : !isThere)) return
    if (step.kind === 'create' || step.kind === 'clash') {
      const row = unit.make(this.#title(step.row))
      const contents = this.#assign(row, step.columns)
      await unit.save(row)
      this.#state.set(step.row, { ...empty, ...contents })
      known.set(step.row, row)
      return
    }
    const isAgain = 'again' in step && step.again
    const row = (isAgain && known.get(step.row)) || (await unit.find(this.#title(step.row)))
    known.set(step.row, row)
    const change = (contents: Partial<Record<Column, string>>): void => {
      this.#state.set(step.row, { ...empty, ...this.#state.get(step.row), ...contents })
    }
    if (step.kind === 'save') {
      const [name, content] = this.#file(step.column)
      await row[step.column].save(name, content)
      change({ [step.column]: content })
    } else if (step.kind === 'delete') {
      await row[step.column].delete()
      change({ [step.column]: '' })
    } else if (step.kind === 'assign') {
      const contents = this.#assign(row, step.columns)
      await unit.save(row)
      change(contents)
    } else if (step.kind === 'together') {
      const files = step.columns.map(column => [column, ...this.#file(column)] as const)
      const saves = files.map(async ([column, name, content]) => row[column].save(name, content))
      this.#saves.push(...saves)
      await Promise.all(saves)
      change(Object.fromEntries(files.map(([column, , content]) => [column, content])))
    } else if (step.kind === 'share') {
      const contents = this.#state.get(step.from)
      // Of a row that an open transaction gives a file of others, these do not know.
      if (contents === undefined || !this.#isAlone) return
      const from = await unit.find(this.#title(step.from))
      row[step.column].assign(from[step.column].name)
      await unit.save(row)
      change({ [step.column]: contents[step.column] })
    } else {
      await unit.remove(row)
      this.#state.delete(step.row)
      known.delete(step.row)
    }
  }

  #assign(row: Row, columns: readonly Column[]): Partial<Record<Column, string>> {
    const files = columns.map(column => [column, ...this.#file(column)] as const)
    for (const [column, name, content] of files) row[column].assign(new ContentFile(content, name))
    return Object.fromEntries(files.map(([column, , content]) => [column, content]))
  }

  /** A transaction, or a savepoint in it; a write that fails, or the plan itself, takes it back. */
  async #unit({ steps, isUndone }: Step & { kind: 'unit' }, around: Unit): Promise<void> {
    const before = new Map(this.#state)
    const begin = around === this.#session ? this.#session.transaction : around.nested
    if (begin === undefined) return
    let clash: unknown
    try {
      await Reflect.apply(begin, around, [
        async (unit: Unit) => {
          const known = new Map<number, Row>()
          for (const step of steps) {
            if (isClash(step)) clash = step
            await this.#step(step, unit, known)
            clash = undefined
          }
          if (isUndone) throw onPurpose
        },
      ])
    } catch (error) {
      this.#state = before
      // What has failed by others may have ended the whole transaction, as a deadlock of MariaDB does.
      const isExpected = error === onPurpose || (clash !== undefined && this.#isAlone)
      if (!isExpected) throw error
    }
  }
}

function isClash(step: Step): boolean {
  return step.kind === 'clash'
}
