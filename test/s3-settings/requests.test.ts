import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { type Seen, Stage } from './stage.ts'

interface Repeated {
  readonly repeat: string
  readonly times: number
}

interface WireRequest {
  readonly method: string
  readonly path?: string
  readonly pathPattern?: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly gzipped?: boolean
  readonly body?: string | { readonly bytes: number; readonly sha256: string }
}

interface Model {
  readonly options: S3StorageOptions
  readonly call: string
  readonly name: string
  readonly content?: string | Repeated
  readonly contentType?: string
  readonly existing?: readonly string[]
  readonly maxLength?: number
  readonly expect: {
    readonly result?: unknown
    readonly resultPattern?: string
    readonly error?: string
    readonly requests: readonly WireRequest[]
  }
}

const { cases } = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/s3-requests.json', import.meta.url), 'utf8'),
) as { cases: readonly Model[] }

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start({ buckets: ['examplebucket'] })
})

afterAll(() => stage.close())

function connect(options: S3StorageOptions): S3Storage {
  const { accessKey, secretKey } = stage.server
  return new S3Storage({ endpointUrl: stage.endpoint, accessKey, secretKey, ...options })
}

function textOf(content: Model['content'] = ''): string {
  return typeof content === 'string' ? content : content.repeat.repeat(content.times)
}

/** A content that brings its type along, as an uploaded file does. */
function contentOf({ content, contentType }: Model): string | Blob {
  const text = textOf(content)
  return contentType === undefined ? text : new Blob([text], { type: contentType })
}

async function perform(storage: S3Storage, model: Model): Promise<unknown> {
  const { name, maxLength, call } = model
  if (call === 'save') return await storage.save(name, contentOf(model), { maxLength })
  if (call === 'openWrite') {
    const writer = await storage.open(name, 'wb')
    await writer.write(textOf(model.content))
    return await writer.close()
  }
  if (call === 'openRead') return await (await storage.file(name)).text()
  if (call === 'listdir') return await storage.listdir(name)
  if (call === 'delete') return await storage.delete(name)
  if (call === 'size') return await storage.size(name)
  if (call === 'exists') return await storage.exists(name)
  throw new Error(`no call ${call}`)
}

/** Removes what the case before left, and puts there what this one finds. */
async function prepare({ existing = [], options }: Model): Promise<void> {
  const { accessKey, secretKey } = stage.server
  const { bucketName = '' } = options
  const plain = new S3Storage({ endpointUrl: stage.endpoint, accessKey, secretKey, bucketName })
  const names: string[] = []
  for await (const { name } of plain.list('', { recursive: true })) names.push(name)
  await plain.deleteMany(names)
  for (const name of existing) await plain.save(name, 'content')
  stage.seen.length = 0
}

/** What is written, by what there is to compare: the rest is the same by construction. */
function writes(requests: readonly Seen[]): readonly Seen[] {
  return requests.filter(
    ({ method, query }) => method === 'PUT' || (method === 'POST' && query.startsWith('uploads')),
  )
}

const compared = ['cache-control', 'content-disposition', 'content-encoding', 'content-language']

function headersOf(seen: Seen): Record<string, unknown> {
  const own = Object.entries(seen.headers).filter(
    ([name]) =>
      compared.includes(name) ||
      name === 'content-type' ||
      name === 'expires' ||
      /^x-amz-(?!checksum-|content-sha256$|date$)/.test(name),
  )
  return Object.fromEntries(own)
}

function bodyOf(seen: Seen, gzipped = false): unknown {
  const body = gzipped ? gunzipSync(seen.body) : seen.body
  if (body.byteLength < 100_000) return body.toString('utf8')
  return { bytes: body.byteLength, sha256: createHash('sha256').update(body).digest('hex') }
}

/** Types that a better table knows; see the test of content types. */
const betterTypes: Readonly<Record<string, string>> = {
  js: 'text/javascript',
  mjs: 'text/javascript',
  webp: 'image/webp',
  woff2: 'font/woff2',
  map: 'application/json',
}

function expectedHeaders(model: Model, request: WireRequest, seen: Seen): Record<string, string> {
  const suffix = /\.(\w+)$/.exec(seen.path)?.[1] ?? ''
  const better = betterTypes[suffix]
  const own = model.options.objectParameters
  const typed = model.contentType !== undefined || (typeof own === 'object' && own.ContentType)
  const { 'content-type': type = '' } = request.headers
  if (better === undefined || typed || type === '') return { ...request.headers }
  return { ...request.headers, 'content-type': better }
}

/** Why a case is decided otherwise here; `undefined`: it is a model. */
function decidedOtherwise(model: Model): string | undefined {
  const { name, call, options, content, existing } = model
  const { error } = model.expect
  const parameters = options.objectParameters
  if (error === undefined && /\\|\/\/|^\.\//.test(name)) return 'names are refused, not rewritten'
  if (call === 'listdir' && name === '..') return 'names above the root are refused'
  if (typeof parameters === 'object' && 'VersionId' in parameters)
    return 'a storage reads what is there now'
  if (name === 'arch.tar.gz' && options.fileOverwrite === false)
    return 'an alternative name keeps all suffixes, and the type that they stand for'
  if (call === 'openWrite' && content === '' && existing !== undefined)
    return 'an open file that nothing was written to is empty, also where one was before'
  if (call === 'getModifiedTime') return 'a time is that of the service'
  if (call === 'openReadNothing') return 'opening brings the first bytes along'
  return undefined
}

const models = cases.filter(model => decidedOtherwise(model) === undefined)
const titled = (list: readonly Model[]) =>
  list.map((model, index) => {
    const { bucketName: _, ...options } = model.options
    return [
      `${index} ${model.call} ${model.name.slice(0, 30)} ${JSON.stringify(options)}`,
      model,
    ] as const
  })

const successes = models.filter(({ expect: { error } }) => error === undefined)
const failures = models.filter(({ expect: { error } }) => error !== undefined)

describe('with contentEncodingFromName, requests are those of django-storages', () => {
  it('for nearly all of its cases', () => {
    expect(successes.length).toBeGreaterThan(80)
  })

  it.each(titled(successes))('%s', async (_title, model) => {
    await prepare(model)
    const storage = connect({ ...model.options, contentEncodingFromName: true })
    const result = await perform(storage, model)
    if (model.expect.result !== null && model.call !== 'openWrite') {
      const { resultPattern: pattern } = model.expect
      if (pattern !== undefined) expect(result).toMatch(new RegExp(pattern, 'u'))
      else expect(result).toEqual(model.expect.result)
    }
    // A small file that is written through an open one takes one request instead of three, and a
    // taken name is told by the write itself.
    const wanted = model.expect.requests.filter(
      ({ method, query }) => method === 'PUT' || query === 'uploads',
    )
    const sent = writes(stage.seen)
    const [first] = wanted
    const last = sent.at(model.existing === undefined ? 0 : -1)
    if (first === undefined || last === undefined) return expect(sent).toEqual([])
    expect(headersOf(last)).toEqual(expectedHeaders(model, first, last))
    if (model.call === 'save' && first.query === '')
      expect(bodyOf(last, first.gzipped)).toEqual(first.body)
  })
})

describe('without contentEncodingFromName', () => {
  it.each([
    ['f.gz', 'application/gzip', undefined],
    ['f.tar.gz', 'application/gzip', undefined],
    ['f.svgz', 'image/svg+xml', 'gzip'],
    ['f.js.br', 'application/octet-stream', undefined],
  ])('%s is stored as %s, as it was', async (name, contentType, contentEncoding) => {
    const storage = connect({ bucketName: 'examplebucket' })
    await storage.save(name, 'content')
    expect(await storage.stat(name)).toMatchObject({ contentType, contentEncoding })
    expect(await (await storage.file(name)).text()).toBe('content')
  })
})

/** What holds instead, by the reason. */
const instead: Readonly<Record<string, (model: Model) => Promise<void>>> = {
  'names are refused, not rewritten': refusesName,
  'names above the root are refused': refusesName,
  async 'a storage reads what is there now'({ options }) {
    expect(() => connect(options)).toThrow('a storage reads what is there now')
  },
  async 'an alternative name keeps all suffixes, and the type that they stand for'(model) {
    const storage = connect({ ...model.options, contentEncodingFromName: true })
    const name = String(await perform(storage, model))
    expect(name).toMatch(/^arch_[A-Za-z0-9]{7}\.tar\.gz$/)
    expect(await storage.stat(name)).toMatchObject({
      contentType: 'application/x-tar',
      contentEncoding: 'gzip',
    })
  },
  async 'an open file that nothing was written to is empty, also where one was before'(model) {
    const storage = connect(model.options)
    await perform(storage, model)
    expect(await storage.size(model.name)).toBe(0)
  },
  async 'a time is that of the service'({ options, name }) {
    const time = await connect(options).getModifiedTime(name)
    expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000)
  },
  async 'opening brings the first bytes along'({ options, name }) {
    await using reader = await connect(options).open(name)
    expect(reader.name).toBe(name)
    expect(stage.seen.map(({ method }) => method)).toEqual(['GET'])
  },
}

async function refusesName(model: Model): Promise<void> {
  const failing = perform(connect(model.options), model)
  await expect(failing).rejects.toMatchObject({ name: 'SuspiciousFileOperation' })
  expect(stage.seen).toEqual([])
}

describe('what is decided otherwise', () => {
  const others = cases.flatMap(model => {
    const reason = decidedOtherwise(model)
    return reason === undefined ? [] : [[reason, model.name, model] as const]
  })

  it('has its reasons, each with what holds instead', () => {
    expect(new Set(others.map(([reason]) => reason))).toEqual(new Set(Object.keys(instead)))
    expect(others.length + models.length).toBe(cases.length)
  })

  it.each(others)('%s: %s', async (reason, _name, model) => {
    await prepare(model)
    await instead[reason]?.(model)
    expect.hasAssertions()
  })
})

describe('what django-storages refuses, or fails at, is refused', () => {
  it.each(titled(failures))('%s', async (_title, model) => {
    await prepare(model)
    const failing = async (): Promise<unknown> => await perform(connect(model.options), model)
    if (model.call === 'openWrite') return expect(await failing()).toBeUndefined()
    await expect(failing()).rejects.toMatchObject({
      name: expect.stringMatching(
        /^(SuspiciousFileOperation|ImproperlyConfigured|FileNotFoundError)$/,
      ),
    })
    expect(writes(stage.seen)).toEqual([])
  })
})
