import { testCancellation } from './cancellation.ts'
import { testConcurrency } from './concurrency.ts'
import { testConditions } from './conditions.ts'
import { testContent } from './content.ts'
import { testCopying } from './copying.ts'
import { testDeleting } from './deleting.ts'
import { testErrors } from './errors.ts'
import type { StorageHarness, TestRunner } from './harness.ts'
import { testListing } from './listing.ts'
import { testNames } from './names.ts'
import { testOpenReaders } from './open-readers.ts'
import { testOpenWriters } from './open-writers.ts'
import { testPrimitives } from './primitives.ts'
import { testProperties } from './properties.ts'
import { testReading } from './reading.ts'
import { testUrls } from './urls.ts'
import { testWriting } from './writing.ts'

const subjects = [
  testReading,
  testWriting,
  testContent,
  testNames,
  testListing,
  testDeleting,
  testCopying,
  testProperties,
  testConditions,
  testOpenReaders,
  testOpenWriters,
  testCancellation,
  testUrls,
  testErrors,
  testConcurrency,
  testPrimitives,
]

/**
 * Registers the tests that every storage has to pass, one group per subject. What a backend cannot
 * do (its `capabilities`) is tested, too: it must be refused before any I/O. A failing test throws
 * an error that says what was expected; no assertion library is needed.
 *
 * @param name of the group that holds all tests
 * @param harness makes a storage for each test and clears it away
 * @param runner default: the global `describe` and `it`
 * @throws TypeError when there is no runner
 */
export function testStorageBackend(
  name: string,
  harness: StorageHarness,
  runner: TestRunner = globalRunner(),
): void {
  runner.describe(name, () => {
    for (const subject of subjects) subject(runner, harness)
  })
}

function globalRunner(): TestRunner {
  const { describe, it } = globalThis as Partial<TestRunner>
  if (describe !== undefined && it !== undefined) return { describe, it }
  throw new TypeError(
    'testStorageBackend() found no global describe and it: pass them as the third argument, as in testStorageBackend(name, harness, { describe, it }).',
  )
}
