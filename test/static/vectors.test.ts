import { readFileSync } from 'node:fs'
import { MemoryStorage } from 'stowage'
import { collectStatic, ManifestStaticStorage } from 'stowage/staticfiles'
import { expect, it } from 'vitest'
import { Folders, type Tree } from './folders.ts'

interface Expected {
  readonly paths?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly urls?: Readonly<Record<string, string | { readonly error: string }>>
  readonly manifestHash?: string
  readonly properties?: readonly string[]
  readonly error?: string
  readonly file?: string
}

interface Case extends Pick<Expected, 'manifestHash'> {
  readonly title: string
  readonly files?: Tree
  readonly dirs?: readonly Tree[]
  readonly staticUrl?: string
  readonly urls?: readonly string[]
  readonly django_defect?: boolean
  readonly expect: Expected
  readonly newer?: Expected
  readonly want?: Expected
}

const vectors: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/static/collect.json', import.meta.url), 'utf8'),
)

/** Where Django fails and we go on: a missing source map is a warning. */
const lenient: ReadonlySet<string> = new Set(['source map, missing'])

it.each(vectors.cases)('collects as Django: $title', async vector => {
  using folders = new Folders()
  const trees = vector.dirs ?? [vector.files ?? {}]
  const dirs = trees.map((tree, index) => folders.make(`root${index}`, tree))
  const files = new MemoryStorage({ baseUrl: vector.staticUrl ?? '/static/' })
  const storage = new ManifestStaticStorage(files)
  // Django's default: scripts keep their imports.
  const collect = () => collectStatic({ storage, dirs, modules: false })
  const wanted = expectedOf(vector)
  if (wanted.error !== undefined) {
    await expect(collect()).rejects.toMatchObject({
      name:
        wanted.error === 'SuspiciousFileOperation'
          ? 'SuspiciousFileOperation'
          : 'FileNotFoundError',
    })
    expect((await files.listdir(''))[1]).toEqual([])
    return
  }
  await collect()
  const manifest = JSON.parse(await textOf(files, 'staticfiles.json'))
  if (wanted.properties !== undefined) {
    await checkProperties(files, manifest.paths, vector)
    const again = await collect()
    expect(again.postProcessed).toEqual([])
    return
  }
  for (const [name, text] of Object.entries(wanted.files ?? {}))
    expect(await textOf(files, name)).toBe(text)
  expect(manifest.paths).toEqual(wanted.paths)
  if (wanted.manifestHash !== undefined) expect(manifest.hash).toBe(wanted.manifestHash)
  for (const [name, url] of Object.entries(wanted.urls ?? {})) await checkUrl(storage, name, url)
})

function expectedOf(vector: Case): Expected {
  const { want, newer, manifestHash } = vector
  if (want !== undefined) return want
  if (newer !== undefined && !lenient.has(vector.title)) return { ...vector.expect, ...newer }
  return manifestHash === undefined ? vector.expect : { ...vector.expect, manifestHash }
}

/** URLs are encoded, as Django's manifest storages do not. */
async function checkUrl(
  storage: ManifestStaticStorage,
  name: string,
  url: string | { readonly error: string },
): Promise<void> {
  if (typeof url !== 'string') {
    await expect(storage.url(name)).rejects.toMatchObject({ name: 'FileNotFoundError' })
    return
  }
  const given = await storage.url(name)
  expect(decodeURIComponent(given)).toBe(decodeURIComponent(url))
  expect(given).toMatch(/^[\w.~!*'()/:%?=#-]+$/)
}

/** The properties of cycles, and of a reference whose escapes may be written otherwise. */
async function checkProperties(
  files: MemoryStorage,
  paths: Readonly<Record<string, string>>,
  vector: Case,
): Promise<void> {
  const names = Object.keys(vector.files ?? {})
  expect(Object.keys(paths).sort()).toEqual(names.sort())
  const stored = new Set(Object.values(paths))
  for (const name of names.filter(file => file.endsWith('.css'))) {
    const hashed = paths[name] ?? ''
    const text = await textOf(files, hashed)
    const references = [...text.matchAll(/url\("([^"]+)"\)/g)].map(match => match[1] ?? '')
    expect(references.length).toBeGreaterThan(0)
    for (const reference of references) {
      const path = new URL(reference, `http://host/${hashed}`).pathname.slice(1)
      expect(stored).toContain(decodeURIComponent(path))
    }
  }
}

async function textOf(storage: MemoryStorage, name: string): Promise<string> {
  return Buffer.from(await (await storage.file(name)).bytes()).toString('utf8')
}
