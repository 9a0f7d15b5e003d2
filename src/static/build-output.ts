import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ImproperlyConfigured } from '../core/errors.ts'

/** What a bundler wrote down: its files have hashed names already. */
export interface BuildOutput {
  /** Files of the output whose names change with their contents. */
  readonly hashed: ReadonlySet<string>
  /** Files of the output by the name that the application knows: a source, an entry. */
  readonly aliases: ReadonlyMap<string, string>
}

/** Vite 5 and later, Vite before, webpack (`webpack-manifest-plugin`), Create React App. */
const manifestFiles = ['.vite/manifest.json', 'manifest.json', 'asset-manifest.json']

/**
 * The manifest of a build.
 *
 * @throws ImproperlyConfigured where there is none that is understood
 */
export function readBuildOutput(dir: string): BuildOutput {
  for (const name of manifestFiles) {
    const path = join(dir, name)
    if (!existsSync(path)) continue
    const content = parse(path)
    return isVite(content) ? viteOutput(content) : webpackOutput(content, path)
  }
  throw new ImproperlyConfigured(
    `${dir} holds no manifest of a build (${manifestFiles.join(', ')}): set build.manifest in Vite, or use webpack-manifest-plugin.`,
    { setting: 'staticfiles.dirs' },
  )
}

interface ViteChunk {
  readonly file: string
  readonly name?: unknown
  readonly css?: readonly string[]
  readonly assets?: readonly string[]
}

function viteOutput(chunks: Readonly<Record<string, ViteChunk>>): BuildOutput {
  const hashed = new Set<string>()
  const aliases = new Map<string, string>()
  for (const [source, chunk] of Object.entries(chunks)) {
    for (const file of [chunk.file, ...(chunk.css ?? []), ...(chunk.assets ?? [])])
      if (hasHash(file, [...textOf(chunk.name), baseOf(source)])) hashed.add(file)
    // Names such as `_shared-abc.js` are Vite's own.
    if (!source.startsWith('_')) aliases.set(source, chunk.file)
  }
  return { hashed, aliases }
}

function webpackOutput(content: Readonly<Record<string, unknown>>, path: string): BuildOutput {
  const files = isRecord(content['files']) ? content['files'] : content
  const hashed = new Set<string>()
  const aliases = new Map<string, string>()
  for (const [source, value] of Object.entries(files)) {
    if (typeof value !== 'string') continue
    // A public path stands in front of what lies in the folder.
    const file = value.replace(/^(?:[a-z]+:)?\/\/[^/]+/i, '').replace(/^\/+/, '')
    const inside = withoutPublicPath(file, path)
    if (inside === undefined) continue
    if (hasHash(inside, [baseOf(source)])) hashed.add(inside)
    if (source !== inside) aliases.set(source, inside)
  }
  return { hashed, aliases }
}

/**
 * Whether a hash stands before the suffixes: eight or more hexadecimal digits (webpack), or eight
 * characters of base64url (Vite, Rollup). A word such as `my-component` is none: a file whose name
 * stays when its content changes must not be kept for ever.
 *
 * @param names what the bundler calls the file: what stands behind one of these is its own addition
 */
function hasHash(file: string, names: readonly string[]): boolean {
  const match = /[.-](?:([0-9a-f]{8,64})|([\w-]{8}))\.[a-z][a-z0-9.]*$/i.exec(file)
  if (match === null) return false
  const [, hex = '', text = ''] = match
  if (hex !== '') return /\d/.test(hex)
  if (/^[a-z]*(?:[A-Z][a-z]+)*$/.test(text)) return false
  if (names.includes(file.slice(file.lastIndexOf('/') + 1, match.index))) return true
  return /[A-Z]/.test(text) && /[a-z]/.test(text)
}

/** The name of a source without its folder and its last suffix. */
function baseOf(source: string): string {
  return /([^/]*?)(?:\.[^./]*)?$/.exec(source)?.[1] ?? source
}

function textOf(value: unknown): string[] {
  return typeof value === 'string' ? [value] : []
}

function withoutPublicPath(file: string, manifest: string): string | undefined {
  const dir = manifest.slice(0, Math.max(manifest.lastIndexOf('/'), manifest.lastIndexOf('\\')))
  const parts = file.split('/')
  for (let skip = 0; skip < parts.length; skip++) {
    const rest = parts.slice(skip).join('/')
    if (existsSync(join(dir, rest))) return rest
  }
  return undefined
}

function parse(path: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (isRecord(content)) return content
  } catch (cause) {
    throw new ImproperlyConfigured(`The build's manifest ${path} cannot be read.`, {
      setting: 'staticfiles.dirs',
      cause,
    })
  }
  throw new ImproperlyConfigured(`The build's manifest ${path} is no JSON object.`, {
    setting: 'staticfiles.dirs',
  })
}

function isVite(content: Record<string, unknown>): content is Record<string, ViteChunk & {}> {
  return Object.values(content).every(chunk => isRecord(chunk) && typeof chunk['file'] === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
