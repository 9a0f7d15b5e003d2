import { isStorageError } from '../../core/errors.ts'
import { Storage } from '../../core/storage.ts'
import { namesIn, pattern, textOf } from './contents.ts'
import { equal, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'
import { ObservedBackend } from './observed-backend.ts'

/** `ifMatch`: a file is replaced only if it is still the version that was seen. */
export function testConditions(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('conditions', () => {
    test('replaces the version that was asked for, or refuses to promise it', async place => {
      const storage = await place.choosing()
      await storage.save('a', 'one')
      const { etag = '' } = await storage.stat('a')
      if (!place.capabilities.ifMatch) return await refusesCondition(storage, etag)
      equal(await storage.save('a', 'two', { ifMatch: etag }), 'a', 'the name')
      equal(await textOf(storage, 'a'), 'two', 'the content')
      equal(await namesIn(storage), ['a'], 'the files')
    })

    test('keeps another version', async ({ storage, capabilities, largeSize }) => {
      await storage.save('a', 'one')
      const { etag = '' } = await storage.stat('a')
      await storage.save('a', 'two', { overwrite: true })
      if (!capabilities.ifMatch) return await refusesCondition(storage, etag)
      const fields = { operation: 'save', file: 'a', backend: storage.backend.name }
      for (const content of ['three', pattern(largeSize), new Blob(['three']).stream()]) {
        await rejects(
          storage.save('a', content, { ifMatch: etag }),
          'PreconditionFailedError',
          fields,
        )
      }
      await rejects(
        storage.save('a', 'x', { ifMatch: etag, overwrite: true }),
        'PreconditionFailedError',
      )
      equal(await textOf(storage, 'a'), 'two', 'the content')
      equal(await namesIn(storage), ['a'], 'the files')
    })

    test('creates nothing in the place of a missing file', async ({ storage, capabilities }) => {
      await storage.save('a', 'one')
      const { etag = '' } = await storage.stat('a')
      if (!capabilities.ifMatch) return await refusesCondition(storage, etag)
      await storage.delete('a')
      await rejects(storage.save('a', 'x', { ifMatch: etag }), 'PreconditionFailedError')
      await rejects(storage.save('b', 'x', { ifMatch: etag }), 'PreconditionFailedError')
      equal(await namesIn(storage), [], 'the files')
    })

    test('refuses ifMatch together with overwrite: false', async ({ storage, capabilities }) => {
      await storage.save('a', 'one')
      const { etag = '' } = await storage.stat('a')
      const options = { ifMatch: etag, overwrite: false }
      await rejects(storage.save('a', 'x', options), 'ValidationError', { operation: 'save' })
      await rejects(storage.open('a', 'wb', options), 'ValidationError', { operation: 'open' })
      equal(await textOf(storage, 'a'), 'one', `the content (ifMatch: ${capabilities.ifMatch})`)
    })

    test('guards an opened file, too', async ({ storage, capabilities }) => {
      await storage.save('a', 'one')
      const { etag = '' } = await storage.stat('a')
      if (!capabilities.ifMatch) return await refusesCondition(storage, etag)
      const writer = await storage.open('a', 'wb', { ifMatch: etag })
      await writer.write('mine')
      await storage.save('a', 'theirs', { overwrite: true })
      await rejects(writer.close(), 'PreconditionFailedError', { operation: 'close', file: 'a' })
      equal(await textOf(storage, 'a'), 'theirs', 'the content')
    })

    test('lets exactly one of many writers replace a version', async place => {
      const { storage, capabilities } = place
      await storage.save('a', 'start')
      const { etag = '' } = await storage.stat('a')
      if (!capabilities.ifMatch) return await refusesCondition(storage, etag)
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, (_, index) =>
          storage.save('a', `writer ${index}`, { ifMatch: etag }),
        ),
      )
      const winners = results.flatMap(({ status }, index) =>
        status === 'fulfilled' ? [index] : [],
      )
      equal(winners.length, 1, 'writers that won')
      equal(await textOf(storage, 'a'), `writer ${winners[0]}`, 'the content')
      for (const result of results) {
        if (result.status === 'fulfilled') continue
        // A service may be unavailable for a moment (Ceph is, for writers of one name at once).
        if (isStorageError(result.reason) && result.reason.retryable) continue
        await rejects(Promise.reject(result.reason), 'PreconditionFailedError')
      }
    })

    test('replaces version after version', async ({ storage, capabilities }) => {
      await storage.save('a', '0')
      for (let round = 1; round <= 5; round++) {
        const { etag = '' } = await storage.stat('a')
        if (!capabilities.ifMatch) return await refusesCondition(storage, etag)
        await storage.save('a', String(round), { ifMatch: etag })
        isTrue((await storage.stat('a')).etag !== etag, 'the version did not change')
      }
      equal(await textOf(storage, 'a'), '5', 'the content')
    })
  })
}

async function refusesCondition(storage: Storage, etag: string): Promise<void> {
  const backend = new ObservedBackend(storage.backend)
  const observed = new Storage(backend)
  const options = { ifMatch: etag }
  await rejects(observed.save('a', 'x', options), 'UnsupportedError', { operation: 'save' })
  await rejects(observed.open('a', 'wb', options), 'UnsupportedError', { operation: 'open' })
  equal(backend.calls, [], 'calls of the backend')
}
