import { join } from 'node:path'
import { configure, MemoryStorage, storages } from 'stowage'
import { S3ManifestStaticStorage } from 'stowage/s3'
import {
  collectStatic,
  findStatic,
  ManifestStaticFilesStorage,
  ManifestStaticStorage,
  rollbackStatic,
  staticUrl,
} from 'stowage/staticfiles'
import { afterEach, describe, expect, it } from 'vitest'
import { resolveStorage } from '../../src/static/collect-settings.ts'
import { parseManifest } from '../../src/static/manifest.ts'
import { hasManifest, manifestKey } from '../../src/static/static-manifest.ts'
import { Folders, writeTree } from './folders.ts'

afterEach(() => configure({}))

const tree = { 'css/a b.css': 'a{}', 'img/x.svg': '<svg/>' }

describe('staticUrl', () => {
  it('leads to hashed files of the configured storage, with query and fragment', async () => {
    using folders = new Folders()
    const files = new MemoryStorage({ baseUrl: 'https://cdn.example/s' })
    configure({
      storages: { staticfiles: new ManifestStaticStorage(files) },
      staticfiles: { dirs: [folders.make('x', tree)] },
    })
    await collectStatic()
    expect(await staticUrl('css/a b.css')).toBe('https://cdn.example/s/css/a%20b.307cc22fa776.css')
    expect(await staticUrl('css/a%20b.css')).toBe(await staticUrl('css/a b.css'))
    expect(await staticUrl('img/x.svg?v=1#i')).toMatch(/\/img\/x\.[0-9a-f]{12}\.svg\?v=1#i$/)
    expect(await staticUrl('img/x.svg?#iefix')).toMatch(/\.svg\?#iefix$/)
    expect(await staticUrl('img/')).toBe('https://cdn.example/s/img/')
    expect(staticUrl.sync('img/x.svg#i')).toBe(await staticUrl('img/x.svg#i'))
    expect(staticUrl.sync('css/a b.css')).toBe(await staticUrl('css/a b.css'))
    const storage = storages.staticfiles
    expect(staticUrl.sync('css/a b.css', { storage })).toBe(await staticUrl('css/a b.css'))
    for (const name of ['gone.css', '', '/css/a b.css', './css/a b.css', 'css']) {
      await expect(staticUrl(name)).rejects.toMatchObject({ name: 'FileNotFoundError' })
      expect(() => staticUrl.sync(name)).toThrow('has no')
    }
  })

  it('is loaded anew when there was no manifest before', async () => {
    using folders = new Folders()
    const files = new MemoryStorage({ baseUrl: '/s/' })
    const storage = new ManifestStaticStorage(files)
    await staticUrl.load({ storage })
    expect(() => staticUrl.sync('img/x.svg', { storage })).toThrow('was collectstatic run?')
    const other = new ManifestStaticStorage(files)
    await collectStatic({ storage: other, dirs: [folders.make('x', tree)] })
    await staticUrl.load({ storage })
    expect(staticUrl.sync('img/x.svg', { storage })).toMatch(/^\/s\/img\/x\.[0-9a-f]{12}\.svg$/)
  })

  it('gives plain URLs where there is no manifest, or a lenient one without the name', async () => {
    const files = new MemoryStorage({ baseUrl: '/s/' })
    expect(await staticUrl('a b.css?v=1', { storage: files })).toBe('/s/a%20b.css?v=1')
    const storage = new ManifestStaticStorage(files, { strict: false })
    expect(await staticUrl('a b.css?v=1', { storage })).toBe('/s/a%20b.css?v=1')
    expect(staticUrl.sync('a b.css?v=1', { storage })).toBe('/s/a%20b.css?v=1')
    for (const name of ['../x', '/x', '', 'a\0']) {
      await expect(staticUrl(name, { storage })).rejects.toMatchObject({
        name: 'SuspiciousFileOperation',
      })
      expect(() => staticUrl.sync(name, { storage })).toThrow('is refused')
    }
  })

  it('is synchronous only after something was loaded, and only with a manifest', async () => {
    const files = new MemoryStorage({ baseUrl: '/s/' })
    const storage = new ManifestStaticStorage(files)
    expect(() => staticUrl.sync('a.css', { storage })).toThrow('staticUrl.load()')
    expect(() => staticUrl.sync('a.css', { storage: files })).toThrow(
      'needs a storage with a manifest',
    )
    await files.save('staticfiles.json', '{"version":"1.0","paths":{"a.css":"a.1.css"}}')
    await staticUrl.load({ storage })
    expect(staticUrl.sync('a.css', { storage })).toBe('/s/a.1.css')
  })

  it('sees a manifest that another process wrote, when it looks again', async () => {
    const files = new MemoryStorage({ baseUrl: '/s/' })
    const write = (hash: string) =>
      files.save('staticfiles.json', `{"version":"1.1","paths":{"a.css":"a.${hash}.css"}}`, {
        overwrite: true,
      })
    const fresh = new ManifestStaticStorage(files, { refresh: 0 })
    const once = new ManifestStaticStorage(files, { refresh: null })
    await write('1')
    for (const storage of [fresh, once]) await staticUrl('a.css', { storage })
    await write('2')
    expect(await staticUrl('a.css', { storage: fresh })).toBe('/s/a.2.css')
    expect(await staticUrl('a.css', { storage: once })).toBe('/s/a.1.css')
    await write('3')
    staticUrl.sync('a.css', { storage: fresh })
    await expect.poll(() => staticUrl.sync('a.css', { storage: fresh })).toBe('/s/a.3.css')
    // Whoever replaces it by deleting it first must not take the site down.
    await files.delete('staticfiles.json')
    expect(await staticUrl('a.css', { storage: fresh })).toBe('/s/a.3.css')
  })

  it('still knows the names of the old site in a server that runs on while the new one is put in force', async () => {
    using folders = new Folders()
    const files = new MemoryStorage({ baseUrl: '/s/' })
    const storage = new ManifestStaticStorage(files)
    await collectStatic({
      storage,
      dirs: [folders.make('old', { 'a.css': 'a{}', 'b.css': 'b{}' })],
    })
    const running = new ManifestStaticStorage(files, { refresh: 0 })
    const old = await staticUrl('b.css', { storage: running })
    await staticUrl.load({ storage: running })
    await collectStatic({ storage, dirs: [folders.make('new', { 'a.css': 'c{}' })] })
    expect(await staticUrl('a.css', { storage: running })).toBe(
      await staticUrl('a.css', { storage }),
    )
    expect(await staticUrl('b.css', { storage: running })).toBe(old)
    expect(staticUrl.sync('b.css?v=1', { storage: running })).toBe(`${old}?v=1`)
    // Who puts a site in force, or comes later, knows no other.
    for (const other of [storage, new ManifestStaticStorage(files)]) {
      await expect(staticUrl('b.css', { storage: other })).rejects.toMatchObject({
        name: 'FileNotFoundError',
      })
    }
  })

  it('remembers names of the last ten new manifests that lack some, and no more', async () => {
    const files = new MemoryStorage({ baseUrl: '/s/' })
    const running = new ManifestStaticStorage(files, { refresh: 0 })
    const put = async (name: string, created = '') => {
      const manifest = {
        version: '1.1',
        paths: { 'a.css': 'a.1.css', [name]: `${name}.1` },
        created,
      }
      await files.save('staticfiles.json', JSON.stringify(manifest), { overwrite: true })
      return await staticUrl('a.css', { storage: running })
    }
    for (let release = 0; release <= 11; release++) await put(`${release}.js`)
    // One that lacks nothing does not count.
    for (let again = 0; again < 10; again++) await put('11.js', String(again))
    expect(await staticUrl('1.js', { storage: running })).toBe('/s/1.js.1')
    expect(await staticUrl('10.js', { storage: running })).toBe('/s/10.js.1')
    await expect(staticUrl('0.js', { storage: running })).rejects.toMatchObject({
      name: 'FileNotFoundError',
    })
  })

  it('goes on with what it has while the storage cannot be asked', async () => {
    const files = new MemoryStorage({ baseUrl: '/s/' })
    await files.save('staticfiles.json', '{"version":"1.1","paths":{"a.css":"a.1.css"}}')
    const storage = new ManifestStaticStorage(files, { refresh: 0 })
    await staticUrl.load({ storage })
    files.stat = async () => {
      throw new Error('down')
    }
    expect(await staticUrl('a.css', { storage })).toBe('/s/a.1.css')
  })

  it.each(['[]', '{', '{"version":"2.0","paths":{}}', '{"version":"1.1","paths":{"a":1}}'])(
    'refuses %s as a manifest',
    async text => {
      const files = new MemoryStorage({ baseUrl: '/s/' })
      await files.save('staticfiles.json', text)
      const storage = new ManifestStaticStorage(files)
      await expect(storage.url('a.css')).rejects.toMatchObject({
        name: 'ImproperlyConfigured',
        message: expect.stringContaining('staticfiles.json'),
      })
    },
  )

  it('has no synchronous form for signed URLs, and no query on them', async () => {
    const manifests = new MemoryStorage()
    await manifests.save('staticfiles.json', '{"version":"1.1","paths":{"a.css":"a.1.css"}}')
    const options = {
      bucketName: 'my-bucket',
      accessKey: 'a',
      secretKey: 's',
      manifestStorage: manifests,
    }
    const signed = new S3ManifestStaticStorage({ ...options, querystringAuth: true })
    expect(await staticUrl('a.css', { storage: signed })).toContain('/a.1.css?X-Amz-')
    await expect(staticUrl('a.css?x', { storage: signed })).rejects.toThrow('signed URL')
    await expect(staticUrl.load({ storage: signed })).rejects.toThrow('signed')
    const open = new S3ManifestStaticStorage({ ...options, regionName: 'eu-west-1' })
    expect(await staticUrl('a.css', { storage: open })).toBe(
      'https://my-bucket.s3.eu-west-1.amazonaws.com/a.1.css',
    )
    expect(staticUrl.sync('a.css', { storage: open })).toBe(await open.url('a.css'))
  })

  it('refuses options that it does not know', () => {
    const files = new MemoryStorage()
    // @ts-expect-error a misspelt option
    expect(() => new ManifestStaticStorage(files, { manifest: 'x' })).toThrow(
      'no option "manifest"',
    )
    expect(() => new ManifestStaticStorage(files, { keepGenerations: 0 })).toThrow('at least 1')
    // @ts-expect-error no storage
    expect(() => new ManifestStaticStorage({ baseUrl: '/' })).toThrow('over another storage')
  })
})

describe('historical names', () => {
  it("collect with Django's own settings", async () => {
    using folders = new Folders()
    configure({
      STATICFILES_STORAGE: 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage',
      STATIC_ROOT: join(folders.root, 'out'),
      STATIC_URL: '/st/',
      STATICFILES_DIRS: [folders.make('x', { ...tree, 'b.css': 'a{b:url(/st/img/x.svg)}' })],
    })
    const { postProcessed } = await collectStatic()
    expect(postProcessed).toHaveLength(3)
    expect(await staticUrl('img/x.svg')).toMatch(/^\/st\/img\/x\.[0-9a-f]{12}\.svg$/)
    const css = await storages.staticfiles.file(`b.${(await staticUrl('b.css')).split('.')[1]}.css`)
    expect(await css.text()).toContain('url("/st/img/x.')
  })

  it('know the path of static files on the site, whatever URLs the storage gives', async () => {
    using folders = new Folders()
    const files = new MemoryStorage({ baseUrl: 'https://cdn.example/' })
    configure({
      storages: { staticfiles: new ManifestStaticStorage(files) },
      STATIC_URL: '/st/',
      STATICFILES_DIRS: [folders.make('x', { ...tree, 'b.css': 'a{b:url(/st/img/x.svg)}' })],
    })
    for (const options of [{}, { storage: storages.staticfiles }]) {
      await collectStatic({ ...options, clear: true })
      const hashed = new URL(await staticUrl('b.css')).pathname.slice(1)
      expect(await (await files.file(hashed)).text()).toContain('url("/st/img/x.')
    }
  })

  it.each([
    ['storages.backends.s3boto3.S3ManifestStaticStorage', '/a.1.css'],
    ['storages.backends.s3.S3ManifestStaticStorage', '/a.1.css'],
    ['storages.backends.s3boto3.S3StaticStorage', '/a.css'],
    ['django.contrib.staticfiles.storage.StaticFilesStorage', '/static/a.css'],
  ])('know %s', async (path, ending) => {
    const manifests = new MemoryStorage()
    await manifests.save('staticfiles.json', '{"version":"1.1","paths":{"a.css":"a.1.css"}}')
    configure({
      STATICFILES_STORAGE: path,
      STATIC_ROOT: '/tmp/stowage-none',
      AWS_STORAGE_BUCKET_NAME: 'b',
      AWS_S3_CUSTOM_DOMAIN: 'cdn.example',
    })
    if (path.includes('Manifest')) {
      // Nothing is asked for over the network: the manifest is put in place of one that was read.
      const storage = await resolveStorage(undefined)
      if (!hasManifest(storage)) throw new Error('It has no manifest.')
      const text = await (await manifests.file('staticfiles.json')).text()
      storage[manifestKey].replace({ manifest: parseManifest(text, 'm'), etag: 'x' })
    }
    expect(await staticUrl('a.css')).toMatch(new RegExp(`${ending}$`))
  })
})

describe('findStatic', () => {
  it('finds the file that is collected under a name, or all of that name', async () => {
    using folders = new Folders()
    const one = folders.make('one', { 'a.css': '1' })
    const two = folders.make('two', { 'a.css': '2', 'b/c.css': '3' })
    const dirs = [one, ['pre', two], two] as const
    expect(await findStatic('a.css', { dirs })).toBe(join(one, 'a.css'))
    expect(await findStatic('a.css', { dirs, all: true })).toEqual([
      join(one, 'a.css'),
      join(two, 'a.css'),
    ])
    expect(await findStatic('pre/b/c.css', { dirs })).toBe(join(two, 'b/c.css'))
    expect(await findStatic('b', { dirs })).toBeUndefined()
    expect(await findStatic('nope', { dirs, all: true })).toEqual([])
    await expect(findStatic('../one/a.css', { dirs })).rejects.toMatchObject({
      name: 'SuspiciousFileOperation',
    })
  })

  it('takes the configured folders', async () => {
    using folders = new Folders()
    const dir = folders.make('x', {})
    configure({ staticfiles: { dirs: [dir] } })
    writeTree(dir, { 'later.css': '' })
    expect(await findStatic('later.css')).toBe(join(dir, 'later.css'))
  })
})

describe('arguments that no type allows', () => {
  it.each<[call: () => Promise<unknown>, name: string, message: string]>([
    [
      () => staticUrl(undefined as never),
      'SuspiciousFileOperation',
      'it is undefined, not a string',
    ],
    [() => staticUrl('a', null as never), 'ValidationError', 'staticUrl() are an object'],
    [() => staticUrl('a', { storag: 1 } as never), 'ValidationError', 'Did you mean "storage"?'],
    [async () => staticUrl.sync(1 as never), 'SuspiciousFileOperation', 'it is a number'],
    [() => findStatic(Object.create(null)), 'SuspiciousFileOperation', 'it is an object'],
    [() => findStatic('a', null as never), 'ValidationError', 'findStatic() are an object'],
    [() => findStatic('a', { dirs: 'x' as never }), 'ImproperlyConfigured', 'staticfiles.dirs'],
    [() => findStatic('a', { dirs: null as never }), 'ImproperlyConfigured', 'staticfiles.dirs'],
    [() => rollbackStatic(null as never), 'ValidationError', 'rollbackStatic() are an object'],
    [() => rollbackStatic({ to: 1 } as never), 'ValidationError', 'has no option "to"'],
  ])('are refused: %s', async (call, name, message) => {
    await expect(call()).rejects.toMatchObject({ name, message: expect.stringContaining(message) })
  })

  it.each([[null], [[]], ['x']])('are refused by ManifestStaticFilesStorage: %j', options => {
    expect(() => new ManifestStaticFilesStorage(options as never)).toThrow(
      'The options of ManifestStaticFilesStorage are an object, not',
    )
  })
})
