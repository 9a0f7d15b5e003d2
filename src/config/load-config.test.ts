import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ImproperlyConfigured } from '../core/errors.ts'
import {
  findConfigFile,
  importConfig,
  importModule,
  originOf,
  readJsonConfig,
} from './load-config.ts'

let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'stowage-config-')))
  await mkdir(join(folder, 'app', 'src'), { recursive: true })
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'app', 'src'))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

describe('findConfigFile', () => {
  it('finds nothing where there is none', () => {
    expect(findConfigFile()).toBeUndefined()
  })

  it('takes the nearest folder upwards, and TypeScript before the rest', async () => {
    const top = await write('stowage.config.ts', '')
    expect(findConfigFile()).toBe(top)
    const json = await write('app/stowage.config.json', '')
    expect(findConfigFile()).toBe(json)
    const mjs = await write('app/stowage.config.mjs', '')
    expect(findConfigFile()).toBe(mjs)
    const js = await write('app/stowage.config.js', '')
    expect(findConfigFile()).toBe(js)
    const ts = await write('app/stowage.config.ts', '')
    expect(findConfigFile()).toBe(ts)
    expect(originOf(ts)).toBe('../stowage.config.ts')
  })

  it('does not take a folder for a file', async () => {
    await mkdir(join(folder, 'app', 'stowage.config.ts'))
    expect(findConfigFile()).toBeUndefined()
  })
})

describe('readJsonConfig', () => {
  it('names the file of text that does not parse, and never quotes it', async () => {
    const file = await write('stowage.config.json', '{\n"AWS_SECRET_ACCESS_KEY": wJalrXUtn }')
    const refusal = caught(() => readJsonConfig(file))
    expect(refusal).toBeInstanceOf(ImproperlyConfigured)
    expect(String(refusal)).toContain(`${file} is not valid JSON`)
    expect(refusal).not.toHaveProperty('cause')
    expect(String(refusal)).not.toContain('wJalr')
  })

  it('names the line where the engine tells it', async () => {
    const file = await write('stowage.config.json', '{\n"a": 1\n"b": 2 }')
    expect(() => readJsonConfig(file)).toThrow(`${file} is not valid JSON (line 3).`)
  })

  it('takes a file that begins with a byte order mark', async () => {
    const file = await write('stowage.config.json', '\ufeff{ "MEDIA_URL": "/m/" }')
    expect(readJsonConfig(file)).toEqual({ MEDIA_URL: '/m/' })
  })

  it('names a file that cannot be read', () => {
    expect(() => readJsonConfig(join(folder, 'app'))).toThrow(
      `${join(folder, 'app')} could not be read: EISDIR`,
    )
  })
})

describe('importConfig', () => {
  it('gives the default export', async () => {
    const file = await write('good.mjs', 'export default { MEDIA_ROOT: "m" }')
    expect(await importConfig(file)).toEqual({ exported: { MEDIA_ROOT: 'm' } })
  })

  it('finds it in a file that a compiler wrote as CommonJS', async () => {
    const mark = 'Object.defineProperty(exports, "__esModule", { value: true })'
    const file = await write('compiled.cjs', `${mark}; exports.default = { MEDIA_ROOT: "m" }`)
    expect(await importConfig(file)).toEqual({ exported: { MEDIA_ROOT: 'm' } })
  })

  it('says how to write a file without one', async () => {
    const file = await write('empty.mjs', 'export const config = {}')
    await expect(importConfig(file)).rejects.toThrow(
      `${file} has no default export; write: export default defineConfig({ … })`,
    )
  })

  it('keeps what the file threw as the cause', async () => {
    const file = await write('throws.mjs', 'throw new RangeError("no such stage")')
    const refusal: unknown = await importConfig(file).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(ImproperlyConfigured)
    expect(refusal).toMatchObject({
      message: `${file} could not be loaded: no such stage`,
      cause: { name: 'RangeError' },
    })
  })
})

describe('importModule', () => {
  it('resolves relative paths against the config file, else against the working directory', async () => {
    await write('one.mjs', 'export const place = "top"')
    await write('app/src/one.mjs', 'export const place = "working directory"')
    const config = join(folder, 'stowage.config.mjs')
    expect(await importModule('./one.mjs', config)).toMatchObject({ place: 'top' })
    expect(await importModule('./one.mjs', undefined)).toMatchObject({
      place: 'working directory',
    })
    expect(await importModule(join(folder, 'one.mjs'), undefined)).toMatchObject({ place: 'top' })
  })

  it('finds the packages that the config file can import', async () => {
    const packages = join(folder, 'node_modules')
    await mkdir(join(packages, 'some-storages'), { recursive: true })
    await write('node_modules/some-storages/package.json', '{"type":"module","main":"a.js"}')
    await write('node_modules/some-storages/a.js', 'export const place = "package"')
    const config = join(folder, 'stowage.config.mjs')
    expect(await importModule('some-storages', config)).toMatchObject({ place: 'package' })
  })
})

function caught(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
