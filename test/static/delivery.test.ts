import { createHash, randomBytes } from 'node:crypto'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { MemoryStorage } from 'stowage'
import { S3Storage, type S3StorageOptions } from 'stowage/s3'
import { type CollectOptions, collectStatic, ManifestStaticStorage } from 'stowage/staticfiles'
import { S3Server } from 'stowage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Folders, writeTree } from './folders.ts'

const css = `${'a{color:red}\n'.repeat(200)}b{c:url(i.png)}`
const tree = { 'a.css': css, 'i.png': 'i'.repeat(3000), 'tiny.css': 'x{}', 'page.html': '<p>' }

let server: S3Server
beforeAll(async () => {
  server = await S3Server.start({ buckets: ['static'] })
})
afterAll(() => server.close())

function bucket(location: string, options: S3StorageOptions = {}): S3Storage {
  const { endpoint, accessKey, secretKey } = server
  return new S3Storage({
    bucketName: 'static',
    endpointUrl: endpoint,
    accessKey,
    secretKey,
    location,
    querystringAuth: false,
    ...options,
  })
}

async function collectInto(files: S3Storage | MemoryStorage, options: CollectOptions = {}) {
  using folders = new Folders()
  const source = folders.make('source', tree)
  const storage = new ManifestStaticStorage(files)
  const collect = () => collectStatic({ storage, dirs: [source], ...options })
  const first = await collect()
  const manifest = JSON.parse(await (await files.file('staticfiles.json')).text())
  const again = await collect()
  writeTree(source, { 'i.png': 'j'.repeat(3000) })
  return { first, again, changed: await collect(), manifest }
}

describe('files in a bucket', () => {
  it('have types, and live for ever under hashed names and shortly under others', async () => {
    const files = bucket('headers')
    const { manifest, again } = await collectInto(files)
    expect(await files.stat(manifest.paths['a.css'])).toMatchObject({
      contentType: 'text/css',
      cacheControl: 'public, max-age=31536000, immutable',
    })
    expect(await files.stat('page.html')).toMatchObject({
      contentType: 'text/html',
      cacheControl: 'public, max-age=300',
    })
    expect(again).toMatchObject({ copied: [], postProcessed: [] })
  })

  it('have the Cache-Control that patterns and options give', async () => {
    const files = bucket('patterns')
    const { manifest } = await collectInto(files, {
      cacheControl: { '*.html': 'no-cache', 't*': 'max-age=7' },
      hashedCacheControl: 'max-age=1',
    })
    expect(await files.stat('page.html')).toMatchObject({ cacheControl: 'no-cache' })
    expect(await files.stat('tiny.css')).toMatchObject({ cacheControl: 'max-age=7' })
    expect(await files.stat('i.png')).toMatchObject({ cacheControl: 'public, max-age=300' })
    expect(await files.stat(manifest.paths['i.png'])).toMatchObject({ cacheControl: 'max-age=1' })
  })

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ] as const)('are compressed by %s where it is worth it, and known again', async (name, open) => {
    const files = bucket(`encoded-${name}`)
    const result = await collectInto(files, { compress: { as: 'encoding', encodings: [name] } })
    const hashed = result.manifest.paths['a.css']
    for (const stored of ['a.css', hashed]) {
      expect(await files.stat(stored)).toMatchObject({
        contentType: 'text/css',
        contentEncoding: name,
      })
      const bytes = await (await files.file(stored)).bytes()
      expect(bytes.byteLength).toBeLessThan(500)
      const text = open(bytes).toString()
      expect(text).toContain(stored === 'a.css' ? 'url(i.png)' : result.manifest.paths['i.png'])
    }
    for (const plain of ['tiny.css', 'i.png'])
      expect((await files.stat(plain)).contentEncoding).toBeUndefined()
    expect(result.again).toMatchObject({ copied: [], postProcessed: [] })
    expect(result.changed).toMatchObject({ copied: ['i.png'], postProcessed: ['a.css', 'i.png'] })
  })

  it('are known again where the storage compresses them, with a manifest and without', async () => {
    const files = bucket('gzipped', { gzip: true })
    const { first, again, changed } = await collectInto(files)
    expect(first.copied).toHaveLength(4)
    expect(await files.stat('a.css')).toMatchObject({ contentEncoding: 'gzip' })
    expect(gunzipSync(await (await files.file('a.css')).bytes()).toString()).toBe(css)
    expect(again).toMatchObject({ copied: [], postProcessed: [] })
    expect(changed.copied).toEqual(['i.png'])
    using folders = new Folders()
    const dirs = [folders.make('source', tree)]
    for (const [name, options] of [
      ['storage', {}],
      ['siblings', { compress: { as: 'siblings' } }],
    ] as const) {
      const storage = bucket(`no-manifest-${name}`, { gzip: name === 'storage' })
      await collectStatic({ storage, dirs, ...options })
      expect(await collectStatic({ storage, dirs, ...options })).toMatchObject({ copied: [] })
    }
  })

  it('are not compressed twice', async () => {
    const files = bucket('svgz')
    using folders = new Folders()
    const svgz = gzipSync(randomBytes(3000).toString('hex'))
    const dirs = [folders.make('source', { 'a.svgz': svgz })]
    await collectStatic({ storage: files, dirs, compress: { as: 'encoding' } })
    expect(Buffer.from(await (await files.file('a.svgz')).bytes()).equals(svgz)).toBe(true)
    expect(await files.stat('a.svgz')).toMatchObject({ contentEncoding: 'gzip' })
  })

  it('have compressed siblings with the type of the file', async () => {
    const files = bucket('siblings')
    const result = await collectInto(files, { compress: { as: 'siblings' } })
    const hashed = result.manifest.paths['a.css']
    expect(await files.stat(`${hashed}.gz`)).toMatchObject({
      contentType: 'text/css',
      contentEncoding: 'gzip',
      cacheControl: 'public, max-age=31536000, immutable',
    })
    const bytes = await (await files.file('a.css.br')).bytes()
    expect(brotliDecompressSync(bytes).toString()).toBe(css)
    expect((await files.stat('a.css')).contentEncoding).toBeUndefined()
    expect(await files.exists('i.png.gz')).toBe(false)
    expect(result.again).toMatchObject({ copied: [], postProcessed: [] })
  })

  it('are named for invalidation when their plain name changed, by the path of their URL', async () => {
    const { first, changed } = await collectInto(bucket('cdn dir'))
    expect(first.invalidate).toEqual([])
    expect(changed.invalidate).toEqual(['/static/cdn%20dir/i.png'])
  })
})

describe('the manifest', () => {
  it('holds hashes for integrity attributes by option, of what is stored', async () => {
    const files = new MemoryStorage()
    const { manifest, again } = await collectInto(files, { integrity: true })
    const bytes = await (await files.file(manifest.paths['a.css'])).bytes()
    expect(manifest.integrity).toEqual({
      'a.css': `sha384-${createHash('sha384').update(bytes).digest('base64')}`,
      'tiny.css': expect.stringMatching(/^sha384-/),
    })
    expect(again.postProcessed).toEqual([])
    const second = JSON.parse(await (await files.file('staticfiles.json')).text())
    expect(Object.keys(second.integrity)).toEqual(['a.css', 'tiny.css'])
  })
})
