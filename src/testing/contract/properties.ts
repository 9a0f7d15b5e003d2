import type { SaveOptions } from '../../core/storage.ts'
import { Storage } from '../../core/storage.ts'
import { bytesOf, inChunks, NotingChunks, namesIn, pattern } from './contents.ts'
import { equal, equalBytes, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'
import { ObservedBackend } from './observed-backend.ts'

/** What is stored beside the bytes, or refused where it cannot be kept. */
const properties: Readonly<Record<string, SaveOptions>> = {
  contentType: { contentType: 'application/x-own; charset=utf-8' },
  contentEncoding: { contentEncoding: 'gzip' },
  cacheControl: { cacheControl: 'public, max-age=31536000, immutable' },
  contentDisposition: { contentDisposition: `attachment; filename*=UTF-8''%E6%97%A5.txt` },
  metadata: { metadata: { author: 'someone' } },
}

export function testProperties(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('properties', () => {
    for (const [property, options] of Object.entries(properties)) {
      test(`keeps ${property} or refuses it before any I/O`, async ({ storage, capabilities }) => {
        if (!capabilities.properties) return await refuses(storage, options)
        await storage.save('a', 'x', options)
        const stat = await storage.stat('a')
        const key = property as keyof typeof stat & keyof SaveOptions
        equal(stat[key], options[key], property)
        const writer = await storage.open('b', 'wb', options)
        await writer.write('x')
        await writer.close()
        equal((await storage.stat('b'))[key], options[key], `${property} of an opened file`)
      })
    }

    test('keeps an ACL or refuses it before any I/O', async ({ storage, capabilities }) => {
      if (!capabilities.acl) return await refuses(storage, { acl: 'private' })
      await storage.save('a', 'x', { acl: 'private' })
      equalBytes(await bytesOf(storage, 'a'), 'x', 'the file')
    })

    test('takes the content type from the name', async ({ storage }) => {
      for (const [name, type] of [
        ['a.txt', 'text/plain'],
        ['a.CSS', 'text/css'],
        ['a.js', 'text/javascript'],
        ['a.png', 'image/png'],
        ['d.x/a.json', 'application/json'],
        ['a.webp', 'image/webp'],
        ['a.woff2', 'font/woff2'],
      ] as const) {
        await storage.save(name, 'x')
        equal((await storage.stat(name)).contentType, type, `the type of ${name}`)
        equal((await storage.file(name)).type, type, `the type of the stored file ${name}`)
      }
    })

    test('guesses no content encoding', async ({ storage }) => {
      const bytes = pattern(100)
      for (const name of ['a.tar.gz', 'a.css.gz', 'a.js.br', 'a.tgz']) {
        await storage.save(name, bytes)
        const { contentEncoding } = await storage.stat(name)
        isTrue(contentEncoding === undefined, `the encoding of ${name} is ${contentEncoding}`)
        equalBytes(await bytesOf(storage, name), bytes, name)
      }
    })

    test('takes the content type of a File', async ({ storage, capabilities }) => {
      await storage.save('a.bin', new File(['x'], 'a.bin', { type: 'image/x-own' }))
      const { contentType } = await storage.stat('a.bin')
      if (capabilities.properties) equal(contentType, 'image/x-own', 'the content type')
      const options = { overwrite: true, contentType: 'text/css' }
      await storage.save('a.css', new File(['x'], 'a.txt', { type: 'text/plain' }), options)
      if (capabilities.properties) {
        equal((await storage.stat('a.css')).contentType, 'text/css', 'the given content type')
      }
    })

    test('gives the bytes back as stored, whatever their encoding says', async place => {
      const { storage, capabilities } = place
      const bytes = pattern(5_000)
      if (!capabilities.properties) return await refuses(storage, { contentEncoding: 'gzip' })
      for (const contentEncoding of ['gzip', 'br', 'identity']) {
        await storage.save('a', bytes, { contentEncoding, overwrite: true })
        equalBytes(await bytesOf(storage, 'a'), bytes, `bytes called ${contentEncoding}`)
        equal(await storage.size('a'), bytes.byteLength, 'the size')
        const reader = await storage.open('a')
        equalBytes(await reader.read(), bytes, 'the bytes of the opened file')
        await reader.close()
      }
    })

    test('keeps metadata of any script, under lower-case names', async place => {
      const { storage, capabilities } = place
      const metadata = {
        Author: 'Zoë',
        'x-y.1': '日本語 👪 עברית',
        long: 'ü'.repeat(200),
        empty: '',
        blanks: 'two  blanks',
        percent: '%41=?UTF-8?Q?x?=',
        quotes: `"quoted", 'and' more`,
      }
      if (!capabilities.properties) return await refuses(storage, { metadata })
      await storage.save('a', 'x', { metadata })
      const { Author: author, ...others } = metadata
      equal((await storage.stat('a')).metadata, { author, ...others }, 'the metadata')
    })

    test('refuses metadata that no service can keep', async ({ storage }) => {
      for (const metadata of [
        { 'a b': 'x' },
        { '': 'x' },
        { é: 'x' },
        { 'a:b': 'x' },
        { a: 'line\nbreak' },
        { a: 'nul\0' },
        { a: '\ud800' },
        { a: 42 as never },
        { a: 'x', A: 'y' },
      ]) {
        const kind = storage.backend.capabilities.properties
          ? 'ValidationError'
          : 'UnsupportedError'
        await rejects(storage.save('a', 'x', { metadata }), kind, { operation: 'save' })
      }
      equal(await namesIn(storage), [], 'the files')
    })

    test('refuses values that no header can carry', async ({ storage, capabilities }) => {
      for (const value of ['a\nb', 'a\rb', 'a\0', 'a\u007fb', 'a\ud800']) {
        for (const property of ['contentType', 'cacheControl', 'contentDisposition'] as const) {
          const kind = capabilities.properties ? 'ValidationError' : 'UnsupportedError'
          await rejects(storage.save('a', 'x', { [property]: value }), kind, { operation: 'save' })
        }
      }
      equal(await namesIn(storage), [], 'the files')
    })

    test('replaces all properties with the file', async ({ storage, capabilities }) => {
      const options = { cacheControl: 'no-store', metadata: { a: '1' } }
      if (!capabilities.properties) return await refuses(storage, options)
      await storage.save('a.txt', '1', { ...options, contentType: 'text/x-old' })
      await storage.save('a.txt', '2', { overwrite: true, metadata: { b: '2' } })
      const stat = await storage.stat('a.txt')
      equal(stat.metadata, { b: '2' }, 'the metadata')
      equal(stat.cacheControl, undefined, 'cacheControl')
      equal(stat.contentType, 'text/plain', 'the content type')
    })

    test('gives properties that belong to the caller', async ({ storage, capabilities }) => {
      if (!capabilities.properties) return await refuses(storage, { metadata: { a: '1' } })
      await storage.save('a', 'x', { metadata: { a: '1' } })
      const stat = await storage.stat('a')
      if (stat.metadata !== undefined) stat.metadata['a'] = 'changed'
      stat.modifiedTime.setTime(0)
      const again = await storage.stat('a')
      equal(again.metadata, { a: '1' }, 'the metadata, asked again')
      isTrue(again.modifiedTime.getTime() !== 0, 'the time was changed from outside')
    })
  })

  runner.describe('times', () => {
    test('tells when a file was modified', async ({ storage }) => {
      await storage.save('a', 'x')
      const time = await storage.getModifiedTime('a')
      isNow(time)
      equal((await storage.stat('a')).modifiedTime.getTime(), time.getTime(), 'the time in stat()')
      await rejects(storage.getModifiedTime('b'), 'FileNotFoundError', {
        operation: 'getModifiedTime',
        file: 'b',
      })
    })

    for (const [method, time] of [
      ['getCreatedTime', 'createdTime'],
      ['getAccessedTime', 'accessedTime'],
    ] as const) {
      test(`${method} tells a time or refuses before any I/O`, async place => {
        const { storage, capabilities } = place
        await storage.save('a', 'x')
        if (capabilities[time]) {
          isNow(await storage[method]('a'))
          await rejects(storage[method]('b'), 'FileNotFoundError', { operation: method, file: 'b' })
          return
        }
        const backend = new ObservedBackend(storage.backend)
        await rejects(new Storage(backend)[method]('a'), 'UnsupportedError', { operation: method })
        equal(backend.calls, [], 'calls of the backend')
      })
    }
  })
}

/** Clocks of services differ; what is a day off is no clock. */
function isNow(time: Date): void {
  isTrue(time instanceof Date, 'the time is no Date')
  const distance = Math.abs(time.getTime() - Date.now())
  isTrue(distance < 86_400_000, `the time is ${String(time)}`)
}

async function refuses(storage: Storage, options: SaveOptions): Promise<void> {
  const backend = new ObservedBackend(storage.backend)
  const observed = new Storage(backend)
  const source = new NotingChunks(inChunks(pattern(3), 1))
  await rejects(observed.save('a', source, options), 'UnsupportedError', { operation: 'save' })
  isTrue(!source.begun, 'the content was read')
  await rejects(observed.open('a', 'wb', options), 'UnsupportedError', { operation: 'open' })
  equal(backend.calls, [], 'calls of the backend')
}
