import { getEventListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { MemoryStorage, PermissionDeniedError, Storage, UnavailableError } from 'stowage'
import { S3ManifestStaticStorage } from 'stowage/s3'
import {
  type CollectOptions,
  collectStatic,
  ManifestStaticStorage,
  rollbackStatic,
  type StaticManifestOptions,
} from 'stowage/staticfiles'
import { faulty, S3Server } from 'stowage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Folders, type Tree, writeTree } from './folders.ts'

let server: S3Server
beforeAll(async () => {
  server = await S3Server.start({ buckets: ['static'] })
})
afterAll(() => server.close())

function bucket(location: string): S3ManifestStaticStorage {
  const { endpoint, accessKey, secretKey } = server
  return new S3ManifestStaticStorage({
    bucketName: 'static',
    endpointUrl: endpoint,
    accessKey,
    secretKey,
    location,
  })
}

function manyFiles(count: number): Tree {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`f/${index}.css`, `a{b:url(../p.png?${index})}`]),
  )
}

async function namesIn(storage: Storage): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('', { recursive: true })) names.push(name)
  return names
}

async function manifestOf(storage: Storage) {
  // One request: between two, a run may write another manifest.
  await using manifest = await storage.open('staticfiles.json', 'r')
  return JSON.parse(await manifest.read())
}

describe('a run on S3', () => {
  it('needs a request per object and few more, and few in all when nothing changed', async () => {
    using folders = new Folders()
    const source = folders.make('source', { ...manyFiles(1200), 'p.png': 'p' })
    const storage = bucket('cheap')
    const collect = () => collectStatic({ storage, dirs: [source] })
    const first = server.requests.length
    await collect()
    const objects = (await namesIn(storage)).length
    const second = server.requests.length
    expect(second - first).toBeLessThanOrEqual(objects + 15)
    const fresh = folders.make('fresh', { ...manyFiles(1200), 'p.png': 'p' })
    const before = server.requests.length
    const result = await collectStatic({ storage: bucket('cheap'), dirs: [fresh] })
    expect(result).toMatchObject({ copied: [], postProcessed: [] })
    expect(server.requests.length - before).toBeLessThanOrEqual(10 + objects / 1000)
    expect(server.requests.slice(before).map(({ method }) => method)).not.toContain('PUT')
  })

  it('writes hashed files, then plain ones, then the manifest, and deletes last', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.css': 'b{c:url(p.png)}', 'p.png': '1' })
    const storage = bucket('order')
    await collectStatic({ storage, dirs: [source] })
    writeTree(source, { 'p.png': '2' })
    const before = server.requests.length
    await collectStatic({ storage, dirs: [source], keepGenerations: 1 })
    const writes = server.requests
      .slice(before)
      .filter(({ method }) => method === 'PUT' || method === 'POST' || method === 'DELETE')
      .map(({ method, path }) => `${method} ${path.replace(/\?.*/, '').replace(/^.*order\//, '')}`)
    const order = writes.map(write => write.replace(/[0-9a-f]{12}/, 'HASH'))
    // Those of one kind go side by side.
    expect(order.slice(0, 2).sort()).toEqual(['PUT a.HASH.css', 'PUT p.HASH.png'])
    expect(order.slice(2)).toEqual([
      'PUT p.png',
      'PUT staticfiles.json',
      'POST /static',
      'PUT staticfiles.json',
    ])
  })
})

describe("a caller's signal", () => {
  it('is listened to by the run, not by each of its requests', async () => {
    using folders = new Folders()
    const source = folders.make('source', { ...manyFiles(50), 'p.png': 'p' })
    const { signal } = new AbortController()
    const counts: number[] = []
    const warnings: Error[] = []
    const onWarning = (warning: Error): number => warnings.push(warning)
    process.on('warning', onWarning)
    await collectStatic({
      storage: new ManifestStaticStorage(new MemoryStorage()),
      dirs: [source],
      signal,
      onProgress: () => counts.push(getEventListeners(signal, 'abort').length),
    })
    // Warnings come a turn later.
    await setTimeout(0)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
    expect(Math.max(...counts)).toBeLessThanOrEqual(2)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('a live site', () => {
  it('lacks no file at any moment of a run, whatever changes', async () => {
    using folders = new Folders()
    const tree = (version: number): Tree => ({
      ...manyFiles(40),
      'p.png': `${version}`,
      'a.js': `import "./f/b${version}.js"`,
      [`f/b${version}.js`]: 'x',
    })
    const storage = bucket('live')
    await collectStatic({ storage, dirs: [folders.make('0', tree(0))] })
    const missing: string[] = []
    let looks = 0
    let running = true
    const polling = (async () => {
      const visitor = bucket('live')
      while (running) {
        const { paths } = await manifestOf(visitor)
        for (const name of ['p.png', 'a.js', 'f/1.css', 'f/39.css']) {
          for (const file of [name, paths[name]]) {
            if (await visitor.exists(file)) continue
            // What a run replaced while we looked may go: the live site is what the manifest names now.
            const now = (await manifestOf(visitor)).paths
            if (file === name || file === now[name]) missing.push(file)
          }
          looks++
        }
      }
    })()
    for (const [version, options] of [
      [1, {}],
      [1, {}],
      [2, { clear: true }],
      [3, { keepGenerations: 2 }],
    ] as const)
      await collectStatic({
        storage,
        dirs: [folders.make(`${version}`, tree(version))],
        ...options,
      })
    running = false
    await polling
    expect(looks).toBeGreaterThan(10)
    expect(missing).toEqual([])
  })
})

describe('names with a plus', () => {
  it('stay escaped in a bucket, where S3 would read a blank', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.css': 'b{c:url(x%2By%20z.png)}', 'x+y z.png': 'p' })
    const storage = bucket('plus')
    await collectStatic({ storage, dirs: [source] })
    const { paths } = await manifestOf(storage)
    expect(await (await storage.file(paths['a.css'])).text()).toBe(
      'b{c:url("x%2By z.83878c911713.png")}',
    )
  })
})

/** A storage whose backend fails as told; the files below are seen without faults. */
function failing(fail: NonNullable<Parameters<typeof faulty>[1]['fail']>) {
  const files = new MemoryStorage({ baseUrl: '/static/' })
  const layered = new Storage(faulty(files.backend, { fail }))
  return { files, storage: new ManifestStaticStorage(layered) }
}

describe('a run that fails', () => {
  it('goes on when the service was overloaded for a while', async () => {
    using folders = new Folders()
    const source = folders.make('source', { ...manyFiles(50), 'p.png': 'p' })
    let failures = 0
    const { files, storage } = failing(({ operation }) => {
      if (operation !== 'write' || failures > 20) return undefined
      failures++
      return { error: new UnavailableError('Slow down') }
    })
    await collectStatic({ storage, dirs: [source] })
    expect(failures).toBe(21)
    expect(await namesIn(files)).toHaveLength(103)
  })

  it('names every file that could not be stored, and leaves the manifest and its files', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.txt': '1', 'b.txt': '1', 'c.txt': '1' })
    let broken = false
    const { files, storage } = failing(({ operation, name }) =>
      broken && operation === 'write' && /^[ab]\.[0-9a-f]{12}/.test(name)
        ? { error: new Error('disk full') }
        : undefined,
    )
    await collectStatic({ storage, dirs: [source] })
    const before = await manifestOf(files)
    broken = true
    writeTree(source, { 'a.txt': '2', 'b.txt': '2', 'c.txt': '2' })
    await expect(collectStatic({ storage, dirs: [source] })).rejects.toMatchObject({
      message: expect.stringMatching(/2 files could not be stored.*a\..*disk full.*b\./s),
      errors: [{ file: expect.stringMatching(/^a\./) }, { file: expect.stringMatching(/^b\./) }],
    })
    expect(await manifestOf(files)).toEqual(before)
    for (const stored of Object.values<string>(before.paths))
      expect(await files.exists(stored)).toBe(true)
    // Plain names come after all hashed ones.
    expect(await (await files.file('c.txt')).text()).toBe('1')
    broken = false
    expect((await collectStatic({ storage, dirs: [source] })).postProcessed).toEqual([
      'a.txt',
      'b.txt',
    ])
  })

  it.each([1, 2, 3, 4, 5, 6, 7])(
    'leaves the old site whole when it dies at write %i',
    async dying => {
      using folders = new Folders()
      const tree = { 'a.css': 'b{c:url(p.png)}', 'p.png': '1', 'q.txt': '1' }
      const source = folders.make('source', tree)
      let writes = Number.NEGATIVE_INFINITY
      const { files, storage } = failing(({ operation }) =>
        operation === 'write' && ++writes >= dying ? { error: new Error('died') } : undefined,
      )
      await collectStatic({ storage, dirs: [source] })
      const before = await manifestOf(files)
      const contents = new Map<string, string>()
      for (const stored of Object.values<string>(before.paths))
        contents.set(stored, await (await files.file(stored)).text())
      writeTree(source, { 'a.css': 'x{c:url(p.png)}', 'p.png': '2', 'q.txt': '2' })
      writes = 0
      await expect(collectStatic({ storage, dirs: [source], clear: true })).rejects.toThrow('died')
      expect(await manifestOf(files)).toEqual(before)
      for (const [stored, text] of contents)
        expect(await (await files.file(stored)).text()).toBe(text)
    },
  )
})

describe('two runs at once', () => {
  it('end with one that won and one that says so, and a whole site', async () => {
    using folders = new Folders()
    const one = folders.make('one', { ...manyFiles(20), 'p.png': '1' })
    const two = folders.make('two', { ...manyFiles(20), 'p.png': '2' })
    const runs = await Promise.allSettled(
      [one, two].map(source => collectStatic({ storage: bucket('race'), dirs: [source] })),
    )
    const lost = runs.filter(run => run.status === 'rejected')
    expect(runs.length - lost.length).toBe(1)
    expect(lost[0]?.reason).toMatchObject({
      name: 'PreconditionFailedError',
      message: expect.stringContaining('Another run finished'),
    })
    const storage = bucket('race')
    const { paths } = await manifestOf(storage)
    for (const stored of Object.values<string>(paths))
      expect(await storage.exists(stored)).toBe(true)
  })

  it('are told apart before plain names are written, if one is done by then', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.txt': '1' })
    const files = new MemoryStorage()
    const storage = new ManifestStaticStorage(files)
    await collectStatic({ storage, dirs: [source] })
    writeTree(source, { 'a.txt': '2' })
    const slow = collectStatic({
      storage,
      dirs: [source],
      onProgress: () =>
        files.save('staticfiles.json', '{"version":"1.1","paths":{}}', { overwrite: true }),
    })
    await expect(slow).rejects.toMatchObject({ name: 'PreconditionFailedError' })
    await setTimeout(0)
    expect(await (await files.file('a.txt')).text()).toBe('1')
  })

  it('leave a whole site when one cleared what the other had stored, and changed nothing itself', async () => {
    using folders = new Folders()
    const [one, two] = ['1', '2'].map(text => folders.make(text, { 'a.txt': text }))
    const files = new MemoryStorage()
    const clear = () =>
      collectStatic({
        storage: new ManifestStaticStorage(new Storage(files.backend)),
        dirs: [one ?? ''],
        clear: true,
      })
    await clear()
    const slow = new LateStorage(files.backend, { before: 'staticfiles.json', meanwhile: clear })
    const collect = () =>
      collectStatic({ storage: new ManifestStaticStorage(slow), dirs: [two ?? ''] })
    await expect(collect()).rejects.toMatchObject({ name: 'PreconditionFailedError' })
    const { paths } = await manifestOf(files)
    for (const stored of Object.values<string>(paths)) expect(await files.exists(stored)).toBe(true)
  })
})

describe('a run that begins while another one deletes', () => {
  it('waits, and stores again what goes and it needs', async () => {
    using folders = new Folders()
    const [one, two] = ['1', '2'].map(text => folders.make(text, { 'a.txt': text }))
    const files = new MemoryStorage()
    const collect = (
      target: Storage,
      dir = '',
      onWarning: (warning: { readonly message: string }) => void = () => {},
    ) => {
      const storage = new ManifestStaticStorage(target)
      return collectStatic({ storage, dirs: [dir], keepGenerations: 1, onWarning })
    }
    await collect(files, one)
    const { paths: before } = await manifestOf(files)
    const looks = new Looks(files.backend, 'staticfiles.json')
    let second: Promise<unknown> | undefined
    const said: string[] = []
    const deleting = new LateDeletion(files.backend, async () => {
      second = collect(looks, one, ({ message }) => said.push(message))
      await looks.times(2)
    })
    await collect(deleting, two)
    await second
    const { paths, pruning } = await manifestOf(files)
    expect(said).toEqual([expect.stringContaining('another run deletes')])
    expect(paths).toEqual(before)
    expect(pruning).toBeUndefined()
    for (const stored of Object.values<string>(paths)) expect(await files.exists(stored)).toBe(true)
    // The one that it waited for has done its work, and so has it.
    expect((await files.listdir(''))[1].filter(name => /^a\.[0-9a-f]{12}/.test(name))).toHaveLength(
      1,
    )
  })

  it('deletes what the other one could not', async () => {
    using folders = new Folders()
    const [one, two] = ['1', '2'].map(text => folders.make(text, { 'a.txt': text }))
    const files = new MemoryStorage()
    const collect = (storage: Storage, dir: string | undefined, keepGenerations?: number) =>
      collectStatic({
        storage: new ManifestStaticStorage(storage),
        dirs: [dir ?? ''],
        ...(keepGenerations === undefined ? {} : { keepGenerations }),
      })
    await collect(files, one, 1)
    const [old = ''] = Object.values<string>((await manifestOf(files)).paths)
    const failing = new LateDeletion(files.backend, async () => {
      throw new PermissionDeniedError('Nobody may delete here.')
    })
    await expect(collect(failing, two, 1)).rejects.toThrow('Nobody may delete here.')
    expect((await manifestOf(files)).pruning).toEqual({ names: [old], running: false })
    expect(await collect(files, two)).toMatchObject({ deleted: [old], copied: [] })
    expect(await files.exists(old)).toBe(false)
    expect((await manifestOf(files)).pruning).toBeUndefined()
    expect(await collect(files, two)).toMatchObject({ deleted: [] })
  })

  it('has to wait where a request that was given up may still be carried out', async () => {
    using folders = new Folders()
    const [one, two] = ['1', '2'].map(text => folders.make(text, { 'a.txt': text }))
    const files = new MemoryStorage()
    const failing = new LateDeletion(files.backend, async () => {
      throw new UnavailableError('No answer.')
    })
    for (const [target, dir = ''] of [[files, one] as const, [failing, two] as const]) {
      const storage = new ManifestStaticStorage(target)
      const collecting = collectStatic({ storage, dirs: [dir], keepGenerations: 1 })
      if (target === files) await collecting
      else await expect(collecting).rejects.toThrow('No answer.')
    }
    expect((await manifestOf(files)).pruning).toMatchObject({ running: true })
  })
})

/** Lets something else happen before it deletes files. */
class LateDeletion extends Storage {
  readonly #meanwhile: () => Promise<unknown>

  constructor(backend: Storage['backend'], meanwhile: () => Promise<unknown>) {
    super(backend)
    this.#meanwhile = meanwhile
  }

  override async deleteMany(...given: Parameters<Storage['deleteMany']>): Promise<void> {
    await this.#meanwhile()
    await super.deleteMany(...given)
  }
}

/** Counts how often somebody looks at a file. */
class Looks extends Storage {
  readonly #name: string
  #count = 0
  #onLook: () => void = () => {}

  constructor(backend: Storage['backend'], name: string) {
    super(backend)
    this.#name = name
  }

  async times(count: number): Promise<void> {
    while (this.#count < count) await new Promise<void>(resolve => (this.#onLook = resolve))
  }

  override stat(...given: Parameters<Storage['stat']>): ReturnType<Storage['stat']> {
    if (given[0] === this.#name) this.#count++
    this.#onLook()
    return super.stat(...given)
  }
}

/** Lets something else happen before it saves a file. */
class LateStorage extends Storage {
  readonly #late: { readonly before: string; readonly meanwhile: () => Promise<unknown> }

  constructor(
    backend: Storage['backend'],
    late: { readonly before: string; readonly meanwhile: () => Promise<unknown> },
  ) {
    super(backend)
    this.#late = late
  }

  override async save(...given: Parameters<Storage['save']>): Promise<string> {
    if (given[0] === this.#late.before) await this.#late.meanwhile()
    return await super.save(...given)
  }
}

/** Collects one version after another. */
class History implements Disposable {
  readonly folders: Folders = new Folders()
  readonly files: MemoryStorage = new MemoryStorage({ baseUrl: '/s/' })
  readonly storage: ManifestStaticStorage

  constructor(options: StaticManifestOptions) {
    this.storage = new ManifestStaticStorage(this.files, options)
  }

  async collect(tree: Tree, options: CollectOptions = {}) {
    using folders = new Folders()
    return await collectStatic({
      storage: this.storage,
      dirs: [folders.make('x', tree)],
      ...options,
    })
  }

  [Symbol.dispose](): void {
    this.folders[Symbol.dispose]()
  }
}

describe('generations', () => {
  it('keep as many as they are told, and delete what only older ones name', async () => {
    using history = new History({ keepGenerations: 2 })
    await history.files.save('foreign.txt', 'f')
    const deleted: string[][] = []
    for (const version of ['1', '2', '3', '1', '4'])
      deleted.push((await history.collect({ 'a.txt': version, 'b.txt': 'b' })).deleted)
    expect(deleted).toEqual([
      [],
      [],
      ['a.c4ca4238a0b9.txt'],
      ['a.c81e728d9d4c.txt'],
      ['a.eccbc87e4b5c.txt'],
    ])
    expect(await namesIn(history.files)).toEqual([
      'a.a87ff679a2f3.txt',
      'a.c4ca4238a0b9.txt',
      'a.txt',
      'b.92eb5ffee6ae.txt',
      'b.txt',
      'foreign.txt',
      'staticfiles.json',
    ])
  })

  it('delete nothing unless they are told to', async () => {
    using history = new History({})
    for (const version of ['1', '2', '3']) await history.collect({ 'a.txt': version })
    expect(await namesIn(history.files)).toHaveLength(5)
  })

  it('do not count runs that change nothing', async () => {
    using history = new History({ keepGenerations: 2 })
    for (const version of ['1', '2', '2', '2']) await history.collect({ 'a.txt': version })
    expect(await history.files.exists('a.c4ca4238a0b9.txt')).toBe(true)
  })

  it('go back one by one, and forward by a new run', async () => {
    using history = new History({ keepGenerations: 3, refresh: 0 })
    const { storage } = history
    await history.collect({ 'a.txt': '1', 'old.txt': 'o' })
    await history.collect({ 'a.txt': '2', 'new.txt': 'n' })
    const third = await history.collect({ 'a.txt': '3' }).then(() => manifestOf(history.files))
    expect(await rollbackStatic({ storage })).toMatchObject({ from: third.hash })
    expect(await storage.url('a.txt')).toBe('/s/a.c81e728d9d4c.txt')
    expect(await storage.url('new.txt')).toContain('/s/new.')
    await rollbackStatic({ storage })
    expect(await storage.url('a.txt')).toBe('/s/a.c4ca4238a0b9.txt')
    expect(await storage.url('old.txt')).toContain('/s/old.')
    await expect(storage.url('new.txt')).rejects.toMatchObject({ name: 'FileNotFoundError' })
    await expect(rollbackStatic({ storage })).rejects.toMatchObject({ name: 'ValidationError' })
    await history.collect({ 'a.txt': '4' })
    expect(await storage.url('a.txt')).toBe('/s/a.a87ff679a2f3.txt')
    await rollbackStatic({ storage })
    expect(await storage.url('a.txt')).toBe('/s/a.c4ca4238a0b9.txt')
  })

  it('never lose a file that a kept generation names, compressed forms included', async () => {
    using history = new History({ keepGenerations: 2 })
    const text = (version: string) => ({
      'a.css': `${version}{}`.repeat(500),
      'b.css': 'b{}'.repeat(500),
    })
    const compress = { as: 'siblings' } as const
    for (const version of ['x', 'y', 'z']) await history.collect(text(version), { compress })
    const names = await namesIn(history.files)
    // Two generations of a.css, one of b.css, their plain names, each in three forms; the manifest.
    expect(names).toHaveLength(5 * 3 + 1)
  })
})
