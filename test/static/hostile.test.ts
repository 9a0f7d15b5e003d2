import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileSystemStorage, MemoryStorage } from 'stowage'
import { type CollectOptions, collectStatic, ManifestStaticStorage } from 'stowage/staticfiles'
import { describe, expect, it } from 'vitest'
import { Folders, type Tree } from './folders.ts'

const mebi = 1024 * 1024

/** Collects a tree with everything that can be searched. */
async function collect(tree: Tree, options: CollectOptions = {}) {
  using folders = new Folders()
  const dirs = [folders.make('source', tree)]
  const files = new MemoryStorage({ baseUrl: '/static/' })
  const storage = new ManifestStaticStorage(files)
  const languages = { html: true, svg: true, webManifests: true }
  const run = () => collectStatic({ storage, dirs, ...languages, ...options })
  const first = await run()
  return { first, again: await run(), files, storage }
}

function times(text: string, bytes: number): string {
  return text.repeat(Math.floor(bytes / text.length))
}

describe('files that are made to hang a collection', () => {
  // One line each: whoever looks for its end at every reference never comes to one.
  it.each<[string, string, string]>([
    ['URLs of a style sheet', 'a.css', times('a{b:url(p.png)}', 2 * mebi)],
    ['imports of a style sheet', 'a.css', times('@import "p.png";', 2 * mebi)],
    ['imports of a script', 'a.js', times('import("./p.png");', 2 * mebi)],
    ['URLs of a script', 'a.js', times('new URL("./p.png",import.meta.url);', 2 * mebi)],
    ['images of a page', 'a.html', times('<img src=p.png>', 2 * mebi)],
    ['candidates of an image', 'a.html', `<img srcset="${times('p.png 1x,', 2 * mebi)}">`],
    ['styles of a page', 'a.html', `<style>${times('a{b:url(p.png)}', 2 * mebi)}</style>`],
    ['styles with entities', 'a.svg', `<style>${times('a{b:url(&quot;p.png&quot;)}', 2 * mebi)}`],
    ['icons', 'a.webmanifest', `[${times('{"src":"p.png"},', 2 * mebi)}1]`],
  ])(
    'are rewritten: %s on one line of 2 MiB',
    async (_, name, text) => {
      const { first, again, files, storage } = await collect({ [name]: text, 'p.png': 'p' })
      expect(first).toMatchObject({ copied: [name, 'p.png'], warnings: [] })
      expect(again).toMatchObject({ copied: [], postProcessed: [] })
      const stored = await files.file((await storage.url(name)).slice('/static/'.length))
      expect(stored.size).toBeGreaterThan(text.length)
    },
    20_000,
  )

  it('are left and named: strings without an end', async () => {
    const { first } = await collect({ 'a.css': times('url("x\n', 2 * mebi) })
    expect(first.warnings).toHaveLength(101)
    expect(first.warnings.at(-1)).toMatchObject({
      line: 101,
      message: `and ${Math.floor((2 * mebi) / 7) - 100} more problems from here on`,
    })
  }, 20_000)

  it('are named: thousands of missing references, the first thousand of them', async () => {
    const tree = { 'a.css': times('a{b:url(q.png)}', 2 * mebi) }
    await expect(collect(tree)).rejects.toMatchObject({
      name: 'FileNotFoundError',
      message: expect.stringContaining('and 980 more'),
    })
    expect((await collect(tree, { missing: 'warn' })).first.warnings).toHaveLength(1000)
  }, 20_000)

  it('are searched: strings that are longer than any stack', async () => {
    for (const text of [times('x', 16 * mebi), times('\\n', 16 * mebi)])
      await expect(collect({ 'a.webmanifest': `{"src":"${text}"}` })).rejects.toMatchObject({
        name: 'FileNotFoundError',
        file: 'a.webmanifest',
      })
  }, 20_000)

  it.each([
    ['a.css', times('(', 10 * mebi)],
    ['a.css', times('a{', 10 * mebi)],
    ['a.css', times('image-set(', 10 * mebi)],
    ['a.js', `import "./b.js";${times('(', 10 * mebi)}`],
    ['a.js', `import "./b.js";${times('`${', 10 * mebi)}`],
    ['a.js', times('import(', 10 * mebi)],
    ['a.svg', times('<g>', 10 * mebi)],
    ['a.webmanifest', times('[', mebi)],
  ])(
    'are stored as they are: megabytes of nesting (%s)',
    async (name, text) => {
      const { first, files } = await collect({ [name]: text, 'b.js': '' })
      expect(first.copied).toContain(name)
      expect(await files.size(name)).toBe(text.length)
    },
    20_000,
  )
})

describe('links', () => {
  function forest(folders: Folders, size: number): string {
    const dir = folders.make('forest', {})
    const all = Array.from({ length: size }, (_, n) => `d${n}`)
    for (const name of all) {
      mkdirSync(join(dir, name))
      writeFileSync(join(dir, name, 'x.txt'), name)
      for (const other of all.filter(each => each !== name))
        symlinkSync(join('..', other), join(dir, name, `to-${other}`))
    }
    return dir
  }

  it('that lead around in circles are followed once each way', async () => {
    using folders = new Folders()
    const { copied, warnings } = await collectStatic({
      storage: new MemoryStorage(),
      dirs: [forest(folders, 3)],
    })
    // Each folder, the two ways on from it, and the one way on from there.
    expect(copied).toHaveLength(3 * (1 + 2 + 2))
    expect(copied).toContain('d0/to-d1/to-d2/x.txt')
    expect(warnings[0]).toMatchObject({
      file: 'd0/to-d1/to-d0',
      message: 'it is a link to a folder that holds it, and was left out',
    })
  })

  it('that make more ways than can be gone are an error', async () => {
    using folders = new Folders()
    const dir = folders.make('doubling', {})
    for (let n = 0; n < 30; n++) {
      mkdirSync(join(dir, `d${n}`))
      for (const way of ['a', 'b']) symlinkSync(`../d${n + 1}`, join(dir, `d${n}`, way))
    }
    mkdirSync(join(dir, 'd30'))
    await expect(
      collectStatic({ storage: new MemoryStorage(), dirs: [dir] }),
    ).rejects.toMatchObject({
      name: 'StorageError',
      message: expect.stringContaining('lead to more than 10000 folders'),
    })
  }, 20_000)
})

describe('files that', () => {
  it('are gone when they are to be read are named, and nothing is stored', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' })
    const files = new MemoryStorage()
    const storage = new ManifestStaticStorage(files)
    const list = files.list.bind(files)
    files.list = (...args) => {
      rmSync(join(source, 'a.txt'))
      rmSync(join(source, 'b.txt'))
      mkdirSync(join(source, 'b.txt'))
      return list(...args)
    }
    await expect(collectStatic({ storage, dirs: [source] })).rejects.toMatchObject({
      errors: [{ file: 'a.txt' }, { file: 'b.txt' }],
      message: expect.stringContaining('"a.txt" cannot be read: ENOENT'),
    })
    expect(await files.listdir('')).toEqual([[], []])
  })

  it('have become pipes when they are to be read are named, and nobody waits for them', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.txt': 'a' })
    const files = new MemoryStorage()
    const list = files.list.bind(files)
    files.list = (...args) => {
      rmSync(join(source, 'a.txt'))
      execFileSync('mkfifo', [join(source, 'a.txt')])
      return list(...args)
    }
    await expect(collectStatic({ storage: files, dirs: [source] })).rejects.toMatchObject({
      file: 'a.txt',
      message: expect.stringContaining('it is no file any more'),
    })
  })

  it('are no files are named and left out', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.txt': 'a' })
    execFileSync('mkfifo', [join(source, 'pipe')])
    const { copied, warnings } = await collectStatic({
      storage: new MemoryStorage(),
      dirs: [source],
    })
    expect(copied).toEqual(['a.txt'])
    expect(warnings).toMatchObject([{ file: 'pipe', message: expect.stringContaining('neither') }])
  })

  it('are called as members of objects are files like others', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'a/hasOwnProperty']
    const tree = Object.fromEntries([
      ...names.map(name => [name, name] as const),
      ['__proto__.css', 'a{b:url(__proto__)c:url(toString)}'],
    ])
    const { first, again, files, storage } = await collect(tree)
    expect([...first.copied].sort()).toEqual([...names, '__proto__.css'].sort())
    expect(again).toMatchObject({ copied: [], postProcessed: [] })
    for (const name of names) {
      const stored = (await storage.url(name)).slice('/static/'.length)
      expect(await (await files.file(stored)).text()).toBe(name)
    }
  })

  it('have the hashed name of another file are an error, but for what was collected before', async () => {
    const hashed = 'a.0cc175b9c0f1.txt'
    await expect(collect({ 'a.txt': 'a', [hashed]: 'b' })).rejects.toMatchObject({
      name: 'ValidationError',
      file: hashed,
      message: expect.stringContaining('"a.txt" is to be stored as "a.0cc175b9c0f1.txt"'),
    })
    const { first } = await collect({ 'a.txt': 'a', [hashed]: 'a' })
    expect(first.copied).toEqual([hashed, 'a.txt'])
  })

  it('are large and change on their way are named, and touched ones are not', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'large.bin': '' })
    const path = join(source, 'large.bin')
    truncateSync(path, 9 * mebi)
    const files = new MemoryStorage()
    const save = files.save.bind(files)
    /** Does something to the file when it is about to be sent, or when a piece of it was. */
    const collectMeanwhile = async (before: () => void, during: () => void) => {
      files.save = (name, content, options) => {
        before()
        const pieces = content as AsyncIterable<Uint8Array>
        async function* disturbed() {
          for await (const piece of pieces) {
            during()
            yield piece
          }
        }
        return save(name, disturbed(), options)
      }
      return await collectStatic({ storage: files, dirs: [source], clear: true })
    }
    const nothing = () => {}
    const touch = () => utimesSync(path, new Date(0), new Date())
    const change = () => writeFileSync(path, 'x', { flag: 'r+' })
    expect(await collectMeanwhile(touch, nothing)).toMatchObject({ copied: ['large.bin'] })
    for (const [before, during] of [
      [change, nothing],
      [nothing, change],
    ] as const) {
      truncateSync(path, 0)
      truncateSync(path, 9 * mebi)
      await expect(collectMeanwhile(before, during)).rejects.toMatchObject({
        name: 'FileChangedError',
        file: 'large.bin',
      })
    }
  })

  it('are large are stored whole, and a style sheet of that size is not searched', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'large.css': '', 'large.bin': '' })
    truncateSync(join(source, 'large.css'), 65 * mebi)
    truncateSync(join(source, 'large.bin'), 65 * mebi)
    const files = new FileSystemStorage({ location: join(folders.root, 'out'), baseUrl: '/s/' })
    const storage = new ManifestStaticStorage(files)
    const result = await collectStatic({ storage, dirs: [source] })
    expect(result.warnings).toMatchObject([{ file: 'large.css' }])
    for (const name of ['large.css', 'large.bin']) {
      const stored = (await storage.url(name)).slice('/s/'.length)
      expect([await files.size(name), await files.size(stored)]).toEqual([65 * mebi, 65 * mebi])
    }
  }, 20_000)
})
