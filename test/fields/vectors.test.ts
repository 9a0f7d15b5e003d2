import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import libsql from 'libsql'
import { ContentFile, MemoryStorage } from 'stowage'
import { type FieldFile, FileField, fileCodec } from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { afterEach, describe, expect, it, vi } from 'vitest'

/** What Django gave, step by step; see the README beside the file. */
interface Case {
  readonly title: string
  readonly time?: string
  readonly files?: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, Options>>
  readonly steps: readonly Step[]
}

interface Options {
  readonly uploadTo: string | { readonly callable: string; readonly template?: string }
  readonly maxLength?: number
  readonly default?: string
}

interface Step {
  readonly do: string
  readonly row: string
  readonly field: string
  readonly name: string
  readonly content: string
  readonly what: string
  readonly as: string
  readonly other: string
  readonly n?: number
  readonly chunkSize?: number
  readonly persist?: boolean
  readonly values?: Readonly<Record<string, string>>
  readonly value?:
    | null
    | string
    | { file: string; content: string }
    | { row: string; field: string }
  readonly expect: {
    readonly value?: unknown
    readonly pattern?: string
    readonly files?: readonly { name?: string; pattern?: string; content: string }[]
    readonly noRow?: boolean
    readonly error?: string
    readonly message?: string
  }
}

interface Row {
  id?: number
  title?: string
  readonly [field: string]: FieldFile | number | string | undefined
}

const path = new URL('../fixtures/vectors/fields.json', import.meta.url)
const { cases }: { readonly cases: readonly Case[] } = JSON.parse(readFileSync(path, 'utf8'))

/** Kinds of Python's errors; the text of the last two is the system's and the library's own. */
function errorOf({ error, message = '' }: Step['expect']): object {
  if (error === 'FileNotFoundError') return { name: 'FileNotFoundError' }
  if (error === 'SuspiciousFileOperation') return { name: 'SuspiciousFileOperation' }
  if (message === 'read of closed file') return { name: 'ClosedFileError' }
  return { name: 'NoFileError', message }
}

function pattern(text: string): unknown {
  return expect.stringMatching(new RegExp(text, 'u'))
}

/** The rows and the storage of one case, as an application of TypeORM's has them. */
class Stage {
  readonly storage = new MemoryStorage({ baseUrl: '/media/' })
  readonly #rows = new Map<string, Row>()
  readonly #fields = new Map<string, FileField>()
  #made: new () => Row = class {} as never
  #source: DataSource | undefined
  #calls = 100

  async open({ title, fields, files = {} }: Case): Promise<void> {
    for (const [name, content] of Object.entries(files)) await this.storage.save(name, content)
    const Entry = class {}
    PrimaryGeneratedColumn()(Entry.prototype, 'id')
    Column({ type: 'varchar', default: '' })(Entry.prototype, 'title')
    for (const [name, options] of Object.entries(fields)) {
      const field = this.#field(options, `${title}: ${name}`)
      this.#fields.set(name, field)
      FileColumn(field)(Entry.prototype, name)
    }
    Entity('entries')(Entry)
    this.#made = Entry as never
    this.#source = new DataSource({
      type: 'better-sqlite3',
      database: ':memory:',
      driver: libsql,
      entities: [Entry],
      synchronize: true,
    })
    await registerFiles(this.#source)
    await this.#source.initialize()
  }

  async close(): Promise<void> {
    await this.#source?.destroy()
  }

  #field({ uploadTo, maxLength, default: file }: Options, id: string): FileField {
    const named = (row: Row, filename: string): string =>
      typeof uploadTo !== 'object' || uploadTo.template === undefined
        ? `${++this.#calls}/${filename}`
        : uploadTo.template
            .replace('{filename}', filename)
            .replace('{id}', String(row.id ?? 'None'))
            .replace('{title}', row.title ?? '')
    return new FileField<Row>({
      storage: this.storage,
      id,
      uploadTo: typeof uploadTo === 'string' ? uploadTo : named,
      maxLength,
      default: file,
      // As Django today.
      onDelete: 'keep',
      onReplace: 'keep',
    })
  }

  row(name: string): Row {
    const row = this.#rows.get(name)
    if (row === undefined) throw new Error(`there is no row ${name}`)
    return row
  }

  file({ row, field }: { readonly row: string; readonly field: string }): FieldFile {
    return this.row(row)[field] as FieldFile
  }

  async act(step: Step): Promise<unknown> {
    const { row, persist } = step
    const manager = this.#source?.manager
    switch (step.do) {
      case 'new':
      case 'create':
        this.#rows.set(row, Object.assign(new this.#made(), step.values))
        return step.do === 'create' ? await manager?.save(this.row(row)) : undefined
      case 'saveRow':
        return await manager?.save(this.row(row))
      case 'deleteRow':
        return await manager?.remove(this.row(row))
      case 'reload':
        this.#rows.set(row, (await this.#found(row)) ?? {})
        return undefined
      case 'cache':
        this.#rows.set(step.as, fileCodec.decode(fileCodec.encode(this.row(row))) as Row)
        return undefined
      case 'save':
        return await this.file(step).save(step.name, step.content, { save: persist })
      case 'saveUpload':
        return await this.file(step).save(step.name, new File([step.content], step.name))
      case 'assign':
        return this.file(step).assign(this.#valueOf(step.value ?? null))
      case 'delete':
        return await this.file(step).delete({ save: persist, default: true })
      case 'open':
        return await this.file(step).open()
      case 'close':
        return await this.file(step).close()
      default:
        return await this.#look(step)
    }
  }

  /** Steps that only ask. */
  async #look(step: Step): Promise<unknown> {
    switch (step.do) {
      case 'inspect':
        return inspect(this.file(step))
      case 'read':
        return textOf(await this.file(step).read(step.n))
      case 'chunks':
        return await textsOf(this.file(step).chunks({ chunkSize: step.chunkSize }))
      case 'equal':
        return this.file(step).name === this.file({ ...step, row: step.other }).name
      case 'column':
        return await this.#column(step)
      case 'stored':
        return await this.#stored()
      case 'get':
        return await this.#fact(this.file(step), step.what)
      default:
        throw new Error(`nobody knows how to do ${step.do}`)
    }
  }

  async #fact(file: FieldFile, what: string): Promise<unknown> {
    const facts: Readonly<Record<string, () => unknown>> = {
      size: () => file.size(),
      url: () => file.url(),
      path: () => file.path(),
      // Without a file it is null here, and '' there.
      name: () => file.name ?? '',
      bool: () => file.hasFile(),
      string: () => String(file),
      closed: () => file.closed,
    }
    return await facts[what]?.()
  }

  async #column({ row, field }: Step): Promise<unknown> {
    const query = 'SELECT * FROM entries WHERE id = ?'
    const found: Record<string, unknown>[] | undefined = await this.#source?.query(query, [
      this.row(row).id,
    ])
    return found?.[0]?.[field]
  }

  async #found(row: string): Promise<Row | null | undefined> {
    const { id } = this.row(row)
    return await this.#source?.manager.findOneBy(this.#made, { id: id as number })
  }

  async #stored(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for await (const { name } of this.storage.list('', { recursive: true }))
      found.set(name, await (await this.storage.file(name)).text())
    return found
  }

  #valueOf(value: NonNullable<Step['value']> | null): string | ContentFile | FieldFile | null {
    if (value === null || typeof value === 'string') return value
    return 'file' in value ? new ContentFile(value.content, value.file) : this.file(value)
  }
}

function textOf(piece: Uint8Array | string): string {
  return typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
}

async function textsOf(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const texts: string[] = []
  for await (const chunk of chunks) texts.push(textOf(chunk))
  return texts
}

function expectFiles(found: ReadonlyMap<string, string>, files: Step['expect']['files']): void {
  const expected = (files ?? []).map(({ name, pattern: text, content }) => [
    name ?? pattern(text ?? ''),
    content,
  ])
  expect([...found]).toHaveLength(expected.length)
  expect([...found]).toEqual(expect.arrayContaining(expected))
}

/** A row that comes out of a cache belongs to no database here; Django saves it like any other. */
const otherwise: ReadonlySet<string> = new Set(['cache: an open file, an empty one: c: save'])

describe('what Django gives, step by step', () => {
  const stage = { current: new Stage() }

  afterEach(async () => {
    vi.useRealTimers()
    await stage.current.close()
  })

  it.each(cases)('$title', async example => {
    if (example.time !== undefined) {
      // The clock that is looked at is the local one.
      const utc = new Date(example.time)
      const now = new Date(utc.getTime() + new Date(utc).getTimezoneOffset() * 60_000)
      vi.useFakeTimers({ toFake: ['Date'], now })
    }
    stage.current = new Stage()
    await stage.current.open(example)
    for (const step of example.steps) {
      const act = stage.current.act(step)
      if (otherwise.has(`${example.title}: ${step.row}: ${step.do}`)) {
        await expect(act).rejects.toMatchObject({ name: 'UnsupportedError' })
        return
      }
      const { error, value, files, pattern: text, noRow } = step.expect
      if (error !== undefined) await expect(act).rejects.toMatchObject(errorOf(step.expect))
      else if (files !== undefined) expectFiles((await act) as Map<string, string>, files)
      else if (text !== undefined) expect(await act).toEqual(pattern(text))
      else if (noRow === true) expect(await act).toBeUndefined()
      else if (value !== undefined) expect(await act, JSON.stringify(step)).toEqual(value)
      else await act
    }
  })
})
