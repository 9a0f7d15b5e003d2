import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Content } from '../../src/core/content.ts'
import {
  FileChangedError,
  FileExistsError,
  FileNotFoundError,
  PreconditionFailedError,
} from '../../src/core/errors.ts'
import { Storage } from '../../src/core/storage.ts'
import { type ContentKind, content, contentKind, fileName, folderName } from './arbitraries.ts'
import { Model } from './model.ts'

export interface PropertyHarness {
  create(): Promise<Storage>
  destroy?(): Promise<void>
}

/** Sequences of operations per property; `STOWAGE_PROPERTY_RUNS` for longer hunts. */
const runs = Number(process.env['STOWAGE_PROPERTY_RUNS'] ?? 60)
const seed = Number(process.env['STOWAGE_PROPERTY_SEED'] ?? Date.now() % 1_000_000)
/** Milliseconds per property in the normal run; what was not reached by then is left out. */
const timeLimit = process.env['STOWAGE_PROPERTY_RUNS'] === undefined ? 5_000 : 3_600_000

type Bytes = Uint8Array<ArrayBuffer>
/** One step: does the same to the storage and to the model, and compares. */
type Step = (storage: Storage, model: Model) => Promise<void>
interface NamedStep {
  readonly text: string
  readonly run: Step
}

/**
 * Random operations on a storage and on a `Map`. After each sequence both must hold the same; a
 * failure prints the shrunk sequence with its seed (`STOWAGE_PROPERTY_SEED`).
 */
export function testAgainstModel(name: string, harness: PropertyHarness): void {
  const on = async (body: (storage: Storage, model: Model) => Promise<void>): Promise<void> => {
    const storage = await harness.create()
    try {
      const careful = new Storage(storage.backend, { fileOverwrite: false })
      await body(careful, new Model(storage.backend.capabilities))
    } finally {
      await harness.destroy?.()
    }
  }
  const check = async <T>(
    arbitrary: fc.Arbitrary<T>,
    body: (value: T, storage: Storage, model: Model) => Promise<void>,
  ): Promise<void> => {
    const deadline = Date.now() + timeLimit
    const property = fc.asyncProperty(arbitrary, async value => {
      // Between two runs only: one that is interrupted would go on behind the next.
      if (Date.now() < deadline) await on((...place) => body(value, ...place))
    })
    await fc.assert(property, { numRuns: runs, seed })
  }

  describe(`${name} against a model`, () => {
    it('holds what a Map would after any operations', { timeout: 3_600_000 }, async () => {
      await check(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        async (steps, storage, model) => {
          for (const { run } of steps) await run(storage, model)
          await compareAll(storage, model)
        },
      )
    })

    it('keeps every content when saves and copies happen at once', {
      timeout: 3_600_000,
    }, async () => {
      const saves = fc.array(
        fc.tuple(fc.constantFrom('a', 'd/a.tar.gz', 'd/b'), content, contentKind),
        {
          minLength: 2,
          maxLength: 12,
        },
      )
      await check(saves, async (all, storage) => {
        await storage.save('source', 'copied')
        const saved = all.map(([name, bytes, kind]) => storage.save(name, contentOf(bytes, kind)))
        const copied = all.map(([name]) => storage.copy('source', name))
        const names = await Promise.all(saved)
        const copies = await Promise.all(copied)
        expect(new Set([...names, ...copies]).size).toBe(all.length * 2)
        for (const [index, name] of names.entries()) {
          expect(same(await bytesOf(storage, name), all[index]?.[1]), name).toBe(true)
        }
        for (const name of copies) expect(await (await storage.file(name)).text()).toBe('copied')
      })
    })

    it('ends in a state that some order of concurrent calls explains', {
      timeout: 3_600_000,
    }, async () => {
      const calls = fc.array(fc.oneof(fc.constant('delete' as const), content), {
        minLength: 2,
        maxLength: 8,
      })
      await check(calls, async (all, storage) => {
        await storage.save('d/a', 'before')
        const looks = all.map(() => look(storage, 'd/a'))
        const changes = all.map(async call => {
          if (call === 'delete') await storage.delete('d/a')
          else await storage.save('d/a', call, { overwrite: true })
        })
        const [seen] = await Promise.all([Promise.all(looks), Promise.all(changes)])
        const possible = [
          new TextEncoder().encode('before'),
          ...all.filter(call => call !== 'delete'),
        ]
        const mayBeGone = all.includes('delete')
        const last = await look(storage, 'd/a')
        for (const bytes of [...seen, last]) {
          if (bytes === undefined) expect(mayBeGone).toBe(true)
          else expect(possible.some(one => same(one, bytes))).toBe(true)
        }
        if (last !== undefined)
          expect(all.some(call => call !== 'delete' && same(call, last))).toBe(true)
        expect((await storage.listdir(''))[1]).toEqual([])
      })
    })

    it('lets one of several conditional saves win', { timeout: 3_600_000 }, async () => {
      await check(fc.array(contentKind, { minLength: 2, maxLength: 8 }), async (kinds, storage) => {
        await storage.save('a', 'before')
        if (!storage.backend.capabilities.ifMatch) return
        const { etag = '' } = await storage.stat('a')
        const outcomes = await Promise.allSettled(
          kinds.map((kind, index) =>
            storage.save('a', contentOf(new Uint8Array([index]), kind), { ifMatch: etag }),
          ),
        )
        const winners = outcomes.flatMap((outcome, index) => {
          if (outcome.status === 'fulfilled') return [index]
          expect(outcome.reason).toBeInstanceOf(PreconditionFailedError)
          return []
        })
        expect(winners).toHaveLength(1)
        expect(await bytesOf(storage, 'a')).toEqual(new Uint8Array(winners))
      })
    })
  })
}

const step: fc.Arbitrary<NamedStep> = fc.oneof(
  fc
    .tuple(fileName, content, contentKind, fc.boolean())
    .map(([name, bytes, kind, overwrite]) =>
      named(
        `save ${name} (${bytes.byteLength} ${kind}, overwrite: ${overwrite})`,
        (storage, model) => save(storage, model, { name, bytes, kind, overwrite }),
      ),
    ),
  fc
    .tuple(fileName, content)
    .map(([name, bytes]) =>
      named(`write ${name} (${bytes.byteLength})`, (storage, model) =>
        write(storage, model, name, bytes),
      ),
    ),
  fileName.map(name =>
    named(`delete ${name}`, async (storage, model) => {
      await storage.delete(name)
      model.delete(name)
    }),
  ),
  fc.array(fileName, { maxLength: 5 }).map(names =>
    named(`deleteMany ${names.join(', ')}`, async (storage, model) => {
      await storage.deleteMany(names)
      for (const name of names) model.delete(name)
    }),
  ),
  fc
    .tuple(fc.constantFrom('copy' as const, 'move' as const), fileName, fileName)
    .map(([transfer, from, to]) =>
      named(`${transfer} ${from} to ${to}`, (storage, model) =>
        move(storage, model, transfer, from, to),
      ),
    ),
  fileName.map(name => named(`look at ${name}`, (storage, model) => compare(storage, model, name))),
  folderName.map(folder =>
    named(`list ${folder}`, (storage, model) => compareFolder(storage, model, folder)),
  ),
)

function named(text: string, run: Step): NamedStep {
  return { text, run, [fc.toStringMethod]: () => text } as NamedStep
}

async function save(
  storage: Storage,
  model: Model,
  {
    name,
    bytes,
    kind,
    overwrite,
  }: { name: string; bytes: Bytes; kind: ContentKind; overwrite: boolean },
): Promise<void> {
  const saving = storage.save(name, contentOf(bytes, kind), { overwrite })
  if (model.parentIsFile(name) || (overwrite && model.isBlockedFolder(name))) {
    await expect(saving).rejects.toBeInstanceOf(FileExistsError)
    return
  }
  const stored = await saving
  if (overwrite || model.isFree(name)) expect(stored).toBe(name)
  else expect(model.isFree(stored) && stored !== name, `the name ${stored}`).toBe(true)
  model.set(stored, bytes)
}

async function write(storage: Storage, model: Model, name: string, bytes: Bytes): Promise<void> {
  const writer = await storage.open(name, 'wb')
  const blocked = model.parentIsFile(name) || model.isBlockedFolder(name)
  const writing = (async () => {
    for (let at = 0; at < bytes.byteLength; at += 50_000) {
      await writer.write(bytes.subarray(at, at + 50_000))
    }
    await writer.close()
  })()
  if (blocked) {
    await expect(writing).rejects.toBeInstanceOf(FileExistsError)
    await writer.abort()
    return
  }
  await writing
  model.set(name, bytes)
}

async function move(
  storage: Storage,
  model: Model,
  transfer: 'copy' | 'move',
  from: string,
  to: string,
): Promise<void> {
  const bytes = model.get(from)
  const moving = storage[transfer](from, to)
  if (bytes === undefined) {
    // Which of two faults a service names first is its own affair.
    const error = await moving.then(
      () => undefined,
      (error: unknown) => error,
    )
    const blocked = error instanceof FileExistsError && model.parentIsFile(to)
    expect(blocked || error instanceof FileNotFoundError, `the error ${String(error)}`).toBe(true)
    return
  }
  if (from === to) {
    expect(await moving).toBe(to)
    return
  }
  if (model.parentIsFile(to)) {
    await expect(moving).rejects.toBeInstanceOf(FileExistsError)
    return
  }
  const stored = await moving
  if (model.isFree(to)) expect(stored).toBe(to)
  else expect(model.isFree(stored)).toBe(true)
  if (transfer === 'move') model.delete(from)
  model.set(stored, bytes)
}

async function compare(storage: Storage, model: Model, name: string): Promise<void> {
  const bytes = model.get(name)
  expect(await storage.exists(name)).toBe(bytes !== undefined)
  if (bytes === undefined) {
    await expect(storage.stat(name)).rejects.toBeInstanceOf(FileNotFoundError)
    await expect(storage.open(name)).rejects.toBeInstanceOf(FileNotFoundError)
    return
  }
  expect(await storage.size(name)).toBe(bytes.byteLength)
  expect(same(await bytesOf(storage, name), bytes), `the bytes of ${name}`).toBe(true)
  const reader = await storage.open(name)
  const middle = Math.floor(bytes.byteLength / 2)
  await reader.seek(middle)
  expect(same(await reader.read(), bytes.subarray(middle)), `the second half of ${name}`).toBe(true)
  await reader.close()
}

async function compareFolder(storage: Storage, model: Model, folder: string): Promise<void> {
  const names: string[] = []
  for await (const { name } of storage.list(folder, { recursive: true })) names.push(name)
  expect(names).toEqual(model.below(folder))
  const expected = model.level(folder)
  // An empty folder may stay on disk; that it is empty is what counts.
  const found = await storage.listdir(folder).catch((error: unknown) => {
    expect(error).toBeInstanceOf(FileNotFoundError)
    return [[], []]
  })
  expect(found[1]).toEqual(expected[1])
  expect(found[0]).toEqual(expect.arrayContaining(expected[0]))
}

async function compareAll(storage: Storage, model: Model): Promise<void> {
  await compareFolder(storage, model, '')
  for (const name of model.below('')) await compare(storage, model, name)
}

async function bytesOf(storage: Storage, name: string): Promise<Bytes> {
  return await (await storage.file(name)).bytes()
}

/** The whole file at some moment; `undefined` if it was missing then. */
async function look(storage: Storage, name: string): Promise<Bytes | undefined> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      return await bytesOf(storage, name)
    } catch (error) {
      if (error instanceof FileNotFoundError) return undefined
      if (!(error instanceof FileChangedError)) throw error
    }
  }
  throw new Error('The file changed a hundred times while it was looked at.')
}

function contentOf(bytes: Bytes, kind: ContentKind): Content {
  if (kind === 'bytes') return bytes
  const blob = new Blob([bytes])
  if (kind === 'blob') return blob
  return kind === 'stream' ? blob.stream() : chunksOf(bytes)
}

async function* chunksOf(bytes: Bytes): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 7_777) yield bytes.subarray(at, at + 7_777)
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0
}
