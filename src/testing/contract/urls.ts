import { isStorageError } from '../../core/errors.ts'
import type { UrlOptions } from '../../core/storage.ts'
import { bytesOf, pattern } from './contents.ts'
import { equal, equalBytes, fail, isTrue, rejects } from './expect.ts'
import { type Place, type StorageHarness, storageTest, type TestRunner } from './harness.ts'

const names = [
  'a.txt',
  'd/e f/ü.txt',
  "plus+hash#question?percent%41amp&eq=semi;colon:at@bang!quote'.txt",
  '<>"[]{}|^`~*(),$',
  '%2F',
  '日本/👪.png',
]

/** URLs that lead to the file, or are refused for a reason that is named. */
export function testUrls(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('urls', () => {
    test('lead to the file, whatever its name', async place => {
      for (const [index, name] of names.entries()) {
        const content = pattern(2_000, index)
        await place.storage.save(name, content)
        const url = await urlOf(place.storage, name, {})
        if (url === undefined) continue
        isTrue(url.includes(lastSegment(name)), `${url} does not hold ${lastSegment(name)}`)
        const response = await place.fetch?.(url)
        if (response === undefined) continue
        equal(response.status, 200, `the status of ${url}`)
        equalBytes(new Uint8Array(await response.arrayBuffer()), content, `the bytes at ${url}`)
      }
    })

    test('are given without asking for the file', async ({ storage }) => {
      const url = await urlOf(storage, 'missing.txt', {})
      if (url !== undefined) isTrue(url.includes('missing.txt'), `the URL is ${url}`)
    })

    test('differ for different names', async ({ storage }) => {
      const urls: string[] = []
      for (const name of [...names, 'a//b', 'a/b', 'dir/', 'dir']) {
        const url = await urlOf(storage, name, {}).catch((error: unknown) => {
          // On disk a name with a double slash is no file's name.
          if (isStorageError(error) && error.name === 'SuspiciousFileOperation') return undefined
          throw error
        })
        if (url !== undefined) urls.push(url)
      }
      equal(new Set(urls).size, urls.length, 'different URLs')
    })

    test('serve HEAD, ranges and downloads where they can', async place => {
      await place.storage.save('a.txt', '0123456789')
      const head = await urlOf(place.storage, 'a.txt', { method: 'HEAD' })
      const answer = head && (await place.fetch?.(head, { method: 'HEAD' }))
      if (answer) equal(answer.status, 200, 'the status of HEAD')
      const download = await urlOf(place.storage, 'a.txt', { download: 'ü "x".txt' })
      const response = download && (await place.fetch?.(download))
      if (!response) return
      const disposition = response.headers.get('content-disposition') ?? ''
      isTrue(disposition.startsWith('attachment'), `content-disposition is ${disposition}`)
      equal(await response.text(), '0123456789', 'the downloaded text')
    })

    test('take an upload where they can', async place => {
      const url = await urlOf(place.storage, 'd/up load.bin', { method: 'PUT', expiresIn: 60 })
      const response = url && (await place.fetch?.(url, { method: 'PUT', body: pattern(3_000) }))
      if (!response) return
      isTrue(response.ok, `the status of PUT is ${response.status}`)
      equalBytes(await bytesOf(place.storage, 'd/up load.bin'), pattern(3_000), 'the uploaded file')
    })

    test('refuse options that make no sense', async ({ storage }) => {
      for (const options of [
        { expiresIn: 0 },
        { expiresIn: -1 },
        { expiresIn: 1.5 },
        { expiresIn: Number.NaN },
        { expiresIn: '60' },
        { method: 'POST' },
        { method: 'get' },
        { download: false },
        { download: 42 },
        { parameters: 'a=b' },
        { parameters: ['a=b'] },
        { expires: 60 },
      ]) {
        await rejects(storage.url('a', options as UrlOptions), 'ValidationError', {
          operation: 'url',
        })
      }
    })

    test('have a local path or refuse one', async ({ storage }) => {
      await storage.save('d/a.txt', 'x')
      if (storage.backend.path !== undefined) {
        const path = storage.path('d/a.txt').replaceAll('\\', '/')
        isTrue(path.endsWith('/d/a.txt'), `the path is ${path}`)
        return
      }
      try {
        storage.path('d/a.txt')
      } catch (error) {
        isTrue(
          isStorageError(error) && error.name === 'UnsupportedError',
          'path() throws another error',
        )
        return
      }
      fail('path() threw nothing')
    })
  })
}

/** The URL; `undefined` if it is refused because of a setting or because the storage has none. */
async function urlOf(
  storage: Place['storage'],
  name: string,
  options: UrlOptions,
): Promise<string | undefined> {
  try {
    return await storage.url(name, options)
  } catch (error) {
    if (!isStorageError(error)) throw error
    if (error.name !== 'UnsupportedError' && error.name !== 'ImproperlyConfigured') throw error
    equal([error.operation, error.file], ['url', name], 'operation and file')
    if (error.name === 'ImproperlyConfigured' && 'setting' in error) {
      isTrue(typeof error.setting === 'string', 'the setting to change is not named')
    }
    return undefined
  }
}

/** As Django's and S3's URLs write it; they differ in the characters of `!*'()` only. */
function lastSegment(name: string): string {
  const segment = name.slice(name.lastIndexOf('/') + 1)
  return encodeURIComponent(/^[^!*'()]*/.exec(segment)?.[0] ?? '')
}
