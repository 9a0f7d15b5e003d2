import { execFileSync } from 'node:child_process'
import { symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileSystemStorage, MemoryStorage, type Storage } from 'stowage'
import {
  type CollectOptions,
  type CollectResult,
  collectStatic,
  findStatic,
  ManifestStaticStorage,
  type StaticManifestOptions,
} from 'stowage/staticfiles'
import { describe, expect, it } from 'vitest'
import { Folders, type Tree, writeTree } from './folders.ts'

/** A folder of sources, and a storage that they are collected into. */
class Site implements Disposable {
  readonly folders: Folders = new Folders()
  readonly source: string
  readonly files: MemoryStorage = new MemoryStorage({ baseUrl: '/static/' })
  readonly storage: ManifestStaticStorage

  constructor(tree: Tree, options: StaticManifestOptions = {}) {
    this.source = this.folders.make('source', tree)
    this.storage = new ManifestStaticStorage(this.files, options)
  }

  collect(options: CollectOptions = {}): Promise<CollectResult> {
    return collectStatic({ storage: this.storage, dirs: [this.source], ...options })
  }

  async paths(): Promise<Record<string, string>> {
    return JSON.parse(await this.text('staticfiles.json')).paths
  }

  /** Text of what is stored under the hashed name. */
  async hashed(name: string): Promise<string> {
    return await this.text((await this.paths())[name] ?? '')
  }

  async text(name: string): Promise<string> {
    return await (await this.files.file(name)).text()
  }

  [Symbol.dispose](): void {
    this.folders[Symbol.dispose]()
  }
}

async function namesIn(storage: Storage): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('', { recursive: true })) names.push(name)
  return names
}

describe('collectStatic', () => {
  it('copies plain files into a storage without a manifest', async () => {
    using folders = new Folders()
    const dirs = [folders.make('a', { 'css/a.css': 'a{b:url(gone.png)}', 'b.txt': 'b' })]
    const storage = new MemoryStorage()
    expect(await collectStatic({ storage, dirs })).toMatchObject({
      copied: ['b.txt', 'css/a.css'],
      unchanged: [],
      postProcessed: [],
      deleted: [],
      skipped: [],
    })
    expect(await namesIn(storage)).toEqual(['b.txt', 'css/a.css'])
    expect(await collectStatic({ storage, dirs })).toMatchObject({
      copied: [],
      unchanged: ['b.txt', 'css/a.css'],
    })
  })

  it('takes the first of two files with one name, and reports the other', async () => {
    using site = new Site({ 'a.txt': 'first' })
    const other = site.folders.make('other', { 'a.txt': 'second', 'b.txt': 'b' })
    const result = await site.collect({ dirs: [site.source, other, ['pre/fix', other]] })
    expect(result).toMatchObject({
      copied: ['a.txt', 'b.txt', 'pre/fix/a.txt', 'pre/fix/b.txt'],
      skipped: ['a.txt'],
    })
    expect(await site.text('a.txt')).toBe('first')
  })

  it('leaves out what is ignored by default, by option, by base name and by path', async () => {
    using site = new Site({
      '.git/config': 'x',
      'CVS/x': 'x',
      'a~': 'x',
      'a.md': 'x',
      'sub/skip.txt': 'x',
      'sub/keep.txt': 'x',
      'node/x.js': 'x',
    })
    await site.collect({ ignore: ['*.md', 'sub/sk*', 'node'] })
    expect(Object.keys(await site.paths())).toEqual(['sub/keep.txt'])
    await site.collect({ useDefaultIgnore: false, clear: true })
    expect(Object.keys(await site.paths())).toHaveLength(7)
  })

  it('rewrites imports of modules through chains and cycles', async () => {
    using site = new Site({
      'js/app.js':
        'import { b } from "./lib/b.js"\nconst u = new URL("../img/a.png", import.meta.url)',
      'js/lib/b.js': 'import "./c.js"; export const b = 1',
      'js/lib/c.js': 'import "./b.js"; import("../lazy.mjs")',
      'js/lazy.mjs': 'export default 1',
      'img/a.png': 'PNG',
    })
    await site.collect()
    const paths = await site.paths()
    const base = (name: string): string => paths[name]?.split('/').at(-1) ?? '?'
    expect(await site.hashed('js/app.js')).toBe(
      `import { b } from "./lib/${base('js/lib/b.js')}"\nconst u = new URL("../img/${base('img/a.png')}", import.meta.url)`,
    )
    expect(await site.hashed('js/lib/b.js')).toContain(`"./${base('js/lib/c.js')}"`)
    expect(await site.hashed('js/lib/c.js')).toBe(
      `import "./${base('js/lib/b.js')}"; import("../${base('js/lazy.mjs')}")`,
    )
    expect(await site.text('js/app.js')).toContain('"./lib/b.js"')
  })

  it('gives every member of a cycle a new name when what one of them refers to changes', async () => {
    const tree = {
      'a.css': '@import "b.css";',
      'b.css': '@import "a.css";x{y:url(p.png)}',
      'p.png': '1',
    }
    using site = new Site(tree)
    await site.collect()
    const before = await site.paths()
    writeTree(site.source, { 'p.png': '2' })
    await site.collect()
    const after = await site.paths()
    for (const name of Object.keys(tree)) expect(after[name]).not.toBe(before[name])
    expect(await site.hashed('a.css')).toBe(`@import url("${after['b.css']}");`)
    writeTree(site.source, { 'p.png': '1' })
    await site.collect()
    expect(await site.paths()).toEqual(before)
  })

  it('writes nothing when references are missing, and names each with file, line and place', async () => {
    using site = new Site({
      'css/a.css': 'a{}\nb{c:url(gone.png)}\nd{e:url("../../x.png")}',
      'js/b.js': '\nimport "./none.js"',
    })
    await expect(site.collect()).rejects.toMatchObject({
      name: 'FileNotFoundError',
      errors: [
        { name: 'FileNotFoundError', file: 'css/a.css' },
        { name: 'SuspiciousFileOperation', file: 'css/a.css' },
        { name: 'FileNotFoundError', file: 'js/b.js' },
      ],
    })
    const message = await site.collect().then(String, String)
    expect(message).toContain('css/a.css:2: "gone.png" leads to "css/gone.png", which is not there')
    expect(message).toContain(site.source)
    expect(message).toContain('css/a.css:3: "../../x.png" leads out of the static files.')
    expect(message).toContain('js/b.js:2:')
    expect(await namesIn(site.files)).toEqual([])
  })

  it('lets a script make a URL of a folder, and import none', async () => {
    const js =
      'new URL(".", import.meta.url);new URL("..", import.meta.url);new URL("lib/", import.meta.url)'
    using site = new Site({ 'js/a.js': js, 'js/lib/b.js': '' })
    await site.collect()
    expect(await site.hashed('js/a.js')).toBe(js)
    expect(await site.collect()).toMatchObject({ copied: [], postProcessed: [] })
    writeTree(site.source, { 'js/a.js': 'import "./lib"' })
    await expect(site.collect()).rejects.toMatchObject({ file: 'js/a.js' })
  })

  it('warns of missing references, or not, by pattern; of maps at most', async () => {
    using site = new Site({
      'vendor/a.css': 'a{b:url(1.png)}',
      'own/b.css': 'a{b:url(2.png)}',
      'own/c.js': 'f()\n//# sourceMappingURL=c.js.map',
    })
    const messages = async (missing: CollectOptions['missing']): Promise<string[]> =>
      (await site.collect({ missing })).warnings.map(({ file, line }) => `${file}:${line}`)
    expect(await messages('warn')).toEqual(['own/b.css:1', 'own/c.js:2', 'vendor/a.css:1'])
    expect(await messages('ignore')).toEqual([])
    expect(await messages({ 'vendor/*': 'ignore', '*.png': 'warn', '*': 'error' })).toEqual([
      'own/b.css:1',
      'own/c.js:2',
    ])
    await expect(messages({ 'vendor/*': 'ignore' })).rejects.toMatchObject({ file: 'own/b.css' })
    expect(await site.hashed('own/b.css')).toBe('a{b:url(2.png)}')
  })

  it('takes up a missing file when it has come, although the referring file is unchanged', async () => {
    using site = new Site({ 'a.css': 'a{b:url(x.png)}' })
    await site.collect({ missing: 'warn' })
    expect((await site.collect({ missing: 'warn' })).warnings).toHaveLength(1)
    writeTree(site.source, { 'x.png': 'x' })
    await site.collect()
    expect(await site.hashed('a.css')).toBe(`a{b:url("${(await site.paths())['x.png']}")}`)
  })

  it('notices a file that has gone, although the referring file is unchanged', async () => {
    using site = new Site({ 'a.css': 'a{b:url(x.png)}', 'x.png': 'x' })
    await site.collect()
    await expect(site.collect({ ignore: ['x.png'] })).rejects.toMatchObject({ file: 'a.css' })
  })

  it('compares contents, not clocks', async () => {
    using site = new Site({ 'a.css': 'a{b:url(x.png)}', 'x.png': '1' })
    await site.collect()
    utimesSync(join(site.source, 'a.css'), new Date(), new Date(Date.now() + 10_000))
    expect(await site.collect()).toMatchObject({ copied: [], postProcessed: [] })
    writeTree(site.source, { 'x.png': '2' })
    utimesSync(join(site.source, 'x.png'), new Date(0), new Date(0))
    expect(await site.collect()).toMatchObject({
      copied: ['x.png'],
      unchanged: ['a.css'],
      postProcessed: ['a.css', 'x.png'],
      invalidate: ['/static/x.png'],
    })
  })

  it('mends a plain file that somebody else changed, and a hashed one that was deleted', async () => {
    using site = new Site({ 'a.txt': 'abc', 'b.css': 'c{d:url(a.txt)}' })
    await site.collect()
    await site.files.save('a.txt', 'xyz', { overwrite: true })
    const { 'b.css': hashed = '' } = await site.paths()
    const text = await site.text(hashed)
    await site.files.delete(hashed)
    expect(await site.collect()).toMatchObject({ copied: ['a.txt'], postProcessed: ['b.css'] })
    expect(await site.text('a.txt')).toBe('abc')
    expect(await site.text(hashed)).toBe(text)
  })

  it('writes nothing in a dry run, and says what it would have written', async () => {
    using site = new Site({ 'a.txt': 'a', 'b.txt': 'b' })
    await site.files.save('old.txt', 'o')
    const plan = await site.collect({ dryRun: true, clear: true })
    expect(await namesIn(site.files)).toEqual(['old.txt'])
    expect(await site.collect({ clear: true })).toEqual(plan)
    expect(plan).toMatchObject({ copied: ['a.txt', 'b.txt'], deleted: ['old.txt'] })
  })

  it('clears by putting everything anew and deleting the rest', async () => {
    using site = new Site({ 'a.txt': 'a' })
    await site.files.save('old/x.txt', 'x')
    await site.collect()
    const result = await site.collect({ clear: true })
    expect(result).toMatchObject({ copied: ['a.txt'], unchanged: [], deleted: ['old/x.txt'] })
    expect(await namesIn(site.files)).toEqual(['a.0cc175b9c0f1.txt', 'a.txt', 'staticfiles.json'])
  })

  it('makes no hashed names without post-processing, and leaves the manifest', async () => {
    using site = new Site({ 'a.txt': 'a' })
    await site.collect({ postProcess: false })
    expect(await namesIn(site.files)).toEqual(['a.txt'])
  })

  it('rewrites pages, also under their plain names, drawings and web manifests by option', async () => {
    using site = new Site({
      'index.html': '<link rel="stylesheet" href="a.css"><img src="d.svg#x">',
      'a.css': 'b{}',
      'd.svg': '<svg><image href="i.png"/></svg>',
      'i.png': 'i',
      'app.webmanifest': '{"icons":[{"src":"i.png"}]}',
    })
    await site.collect({ html: true, svg: true, webManifests: true })
    const paths = await site.paths()
    const page = `<link rel="stylesheet" href="${paths['a.css']}"><img src="${paths['d.svg']}#x">`
    expect(await site.text('index.html')).toBe(page)
    expect(await site.hashed('index.html')).toBe(page)
    expect(await site.hashed('d.svg')).toBe(`<svg><image href="${paths['i.png']}"/></svg>`)
    expect(await site.text('d.svg')).toContain('"i.png"')
    expect(await site.hashed('app.webmanifest')).toBe(`{"icons":[{"src":"${paths['i.png']}"}]}`)
    expect(await site.collect({ html: true, svg: true, webManifests: true })).toMatchObject({
      copied: [],
      postProcessed: [],
    })
    writeTree(site.source, { 'a.css': 'c{}' })
    expect(
      (await site.collect({ html: true, svg: true, webManifests: true })).copied.sort(),
    ).toEqual(['a.css', 'index.html'])
  })

  it('takes packages by name, and the output of a bundler under the names that it has', async () => {
    using site = new Site({
      'node_modules/@x/lib/dist/a.js': 'a',
      'node_modules/@x/lib/package.json': '{"exports": {}}',
      'dist/.vite/manifest.json':
        '{"src/main.ts": {"file": "assets/main-BxY1z2_Q.js", "css": ["assets/main-C0ffee12.css"]}}',
      'dist/assets/main-BxY1z2_Q.js': 'import "./gone.js"',
      'dist/assets/main-C0ffee12.css': 'm{}',
      'dist/favicon.ico': 'f',
    })
    const cwd = process.cwd()
    process.chdir(site.source)
    try {
      await site.collect({ dirs: ['npm:@x/lib/dist', ['v', 'npm:@x/lib/dist'], 'build:dist'] })
    } finally {
      process.chdir(cwd)
    }
    expect(await site.paths()).toEqual({
      '@x/lib/a.js': '@x/lib/a.0cc175b9c0f1.js',
      'assets/main-BxY1z2_Q.js': 'assets/main-BxY1z2_Q.js',
      'assets/main-C0ffee12.css': 'assets/main-C0ffee12.css',
      'favicon.ico': 'favicon.8fa14cdd754f.ico',
      'src/main.ts': 'assets/main-BxY1z2_Q.js',
      'v/a.js': 'v/a.0cc175b9c0f1.js',
    })
    expect((await site.files.stat('assets/main-BxY1z2_Q.js')).name).toBeDefined()
  })

  it('is ended by a signal also on disk, where it waits for nothing', async () => {
    const names = Array.from({ length: 3000 }, (_, index) => `${index}.txt`)
    using site = new Site(Object.fromEntries(names.map(name => [name, name])))
    const location = join(site.folders.root, 'collected')
    const controller = new AbortController()
    const reason = new Error('stopped')
    let stored = 0
    const onProgress = ({ done }: { readonly done: number }): void => {
      stored = done
      if (done === 1) setImmediate(() => controller.abort(reason))
    }
    const { signal } = controller
    const storage = new FileSystemStorage({ location })
    const run = collectStatic({ storage, dirs: [site.source], signal, onProgress })
    await expect(run).rejects.toBe(reason)
    expect(stored).toBeLessThan(names.length)
  })

  it('refuses folders that are not there, none at all, and its own output', async () => {
    using site = new Site({ 'a.txt': 'a' })
    const misses = { name: 'ImproperlyConfigured', setting: 'staticfiles.dirs' }
    await expect(site.collect({ dirs: ['/nowhere'] })).rejects.toMatchObject(misses)
    await expect(site.collect({ dirs: ['npm:no-such-package'] })).rejects.toMatchObject(misses)
    await expect(site.collect({ dirs: [['pre/', site.source]] })).rejects.toMatchObject(misses)
    await expect(
      collectStatic({
        storage: new FileSystemStorage({ location: site.source }),
        dirs: [site.source],
      }),
    ).rejects.toMatchObject(misses)
    // Also before it is there: the second run would find it.
    await expect(
      collectStatic({
        storage: new FileSystemStorage({ location: join(site.source, 'out', 'static') }),
        dirs: [site.source],
      }),
    ).rejects.toMatchObject(misses)
    for (const keepGenerations of [0, -1, 1.5, Number.NaN])
      await expect(site.collect({ keepGenerations })).rejects.toMatchObject({
        name: 'ValidationError',
        message: expect.stringContaining('keepGenerations'),
      })
    // @ts-expect-error a misspelt option
    await expect(site.collect({ clera: true })).rejects.toMatchObject({ name: 'ValidationError' })
    await expect(site.collect({ missing: 'no' as 'warn' })).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
    })
  })

  it('names links out of the folder, names that cannot be stored, and links to nothing', async () => {
    using site = new Site({ 'a.txt': 'a', 'dir/b.txt': 'b', 'bad\\name.txt': 'x' })
    const secret = site.folders.make('secret', { 'key.txt': 'secret' })
    symlinkSync(join(secret, 'key.txt'), join(site.source, 'leak.txt'))
    symlinkSync(secret, join(site.source, 'leak'))
    symlinkSync('a.txt', join(site.source, 'link.txt'))
    symlinkSync('..', join(site.source, 'dir', 'loop'))
    symlinkSync('gone', join(site.source, 'dangling.txt'))
    symlinkSync('/dev/null', join(site.source, 'device.txt'))
    execFileSync('mkfifo', [join(site.source, 'pipe')])
    symlinkSync('pipe', join(site.source, 'to-pipe'))
    const { copied, warnings } = await site.collect()
    expect(copied).toEqual(['a.txt', 'link.txt', 'dir/b.txt'])
    expect(warnings.map(({ file }) => file).sort()).toEqual([
      'bad\\name.txt',
      'dangling.txt',
      'device.txt',
      'dir/loop',
      'leak',
      'leak.txt',
      'pipe',
      'to-pipe',
    ])
    for (const name of ['leak.txt', 'leak/key.txt', 'pipe', 'dangling.txt'])
      expect(await findStatic(name, { dirs: [site.source] })).toBeUndefined()
    expect(await findStatic('link.txt', { dirs: [site.source] })).toBeDefined()
  })

  it('names a file that is changed while it is collected, and writes no manifest', async () => {
    using site = new Site({ 'a.txt': 'a', 'b.txt': 'b' })
    const list = site.files.list.bind(site.files)
    site.files.list = async function* (...args) {
      yield* list(...args)
      // After a.txt was hashed, before it is sent.
      setImmediate(() => writeFileSync(join(site.source, 'a.txt'), 'changed'))
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await expect(site.collect()).rejects.toMatchObject({ name: 'FileChangedError', file: 'a.txt' })
    expect(await namesIn(site.files)).not.toContain('staticfiles.json')
  })

  it('leaves and names what is no UTF-8, does not parse, or is cut off', async () => {
    const latin = Buffer.from('a{b:url(\xe9.png)}', 'latin1')
    using site = new Site({ 'a.css': latin, 'b.js': 'import "./x.js', 'c.css': 'a{b:url(x' })
    const { warnings } = await site.collect()
    expect(warnings.map(({ file }) => file)).toEqual(['a.css', 'b.js', 'c.css'])
    expect((await site.collect()).warnings).toEqual(warnings)
    const paths = await site.paths()
    const stored = await (await site.files.file(paths['a.css'] ?? '')).bytes()
    expect(Buffer.from(stored).equals(latin)).toBe(true)
  })

  it('collects names in any script, empty files, and names that differ in case only', async () => {
    using site = new Site({
      '日本/👪 é.css': 'a{b:url("A%20b+c&d.PNG")}',
      '日本/A b+c&d.PNG': '',
      'x.txt': '1',
      'X.txt': '2',
    })
    const { warnings } = await site.collect()
    expect(warnings).toMatchObject([{ file: 'x.txt', message: expect.stringContaining('"X.txt"') }])
    const paths = await site.paths()
    expect(await site.hashed('日本/👪 é.css')).toBe('a{b:url("A b+c&d.d41d8cd98f00.PNG")}')
    expect(paths['x.txt']).not.toBe(paths['X.txt'])
  })

  it('links instead of copying, on disk alone', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a/b.css': 'c{}' })
    const files = new FileSystemStorage({ location: join(folders.root, 'out'), baseUrl: '/s/' })
    const storage = new ManifestStaticStorage(files)
    const first = await collectStatic({ storage, dirs: [source], link: true })
    expect(first).toMatchObject({ copied: ['a/b.css'], postProcessed: ['a/b.css'] })
    const { readlinkSync } = await import('node:fs')
    expect(readlinkSync(files.path('a/b.css'))).toBe(join(source, 'a/b.css'))
    expect(await collectStatic({ storage, dirs: [source], link: true })).toMatchObject({
      copied: [],
      unchanged: ['a/b.css'],
    })
    expect(await collectStatic({ storage, dirs: [source] })).toMatchObject({ copied: ['a/b.css'] })
    expect(() => readlinkSync(files.path('a/b.css'))).toThrow('EINVAL')
    const memory = new ManifestStaticStorage(new MemoryStorage())
    await expect(
      collectStatic({ storage: memory, dirs: [source], link: true }),
    ).rejects.toMatchObject({ name: 'UnsupportedError' })
  })

  it('stops at an abort, and leaves the manifest', async () => {
    using site = new Site({ 'a.txt': 'a' })
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(site.collect({ signal })).rejects.toBe(reason)
    const controller = new AbortController()
    await expect(
      site.collect({ signal: controller.signal, onProgress: () => controller.abort(reason) }),
    ).rejects.toBe(reason)
    expect(await namesIn(site.files)).not.toContain('staticfiles.json')
  })
})
