import type { Capabilities } from '../../core/backend.ts'
import { Storage } from '../../core/storage.ts'
import { equal } from './expect.ts'

/** What the suite needs to know of a storage; `create` alone is enough. */
export interface StorageHarness {
  /** A storage on an empty place. Called for each test. */
  create(): Promise<Storage>
  /** Called after each test, also after one that failed. */
  destroy?(): Promise<void>
  /**
   * Another storage on the same files, with overwriting on or off. Default: a plain `Storage` on
   * the same backend.
   */
  another?(storage: Storage, options: { readonly fileOverwrite: boolean }): Promise<Storage>
  /** Fetches a URL that `url` gave, as anybody would. Without it, URLs are not fetched. */
  fetch?(url: string, init?: RequestInit): Promise<Response>
  /**
   * What must be gone after each test: open multipart uploads, temporary files. Resolves to what
   * is left. Asked again for some seconds: cleaning up after an abort may take a moment.
   */
  leftovers?(): Promise<readonly string[]>
  /** Bytes of a content that takes the storage's path for large ones. Default 300,000. */
  readonly largeSize?: number | undefined
  /**
   * Bytes of a part of a large content: contents of this size, one byte less and one more are
   * saved, too. Default 8 MiB where `largeSize` is above it, else none.
   */
  readonly partSize?: number | undefined
}

/** Where tests are registered: the functions that Vitest, Jest, Mocha, `node:test`, … give. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

/** What a test of the suite gets. */
export interface Place {
  readonly storage: Storage
  readonly capabilities: Capabilities
  readonly largeSize: number
  readonly partSize: number | undefined
  readonly fetch: ((url: string, init?: RequestInit) => Promise<Response>) | undefined
  /** A storage on the same files that chooses another name when one is taken. */
  choosing(): Promise<Storage>
  /** A storage on the same files that overwrites. */
  overwriting(): Promise<Storage>
}

/** Registers a test that gets a storage of its own. */
export type StorageTest = (name: string, body: (place: Place) => Promise<void>) => void

/** More than the read-ahead of a reader and the buffer of a writer. */
const defaultLargeSize = 300_000
/** Part size of `transferConfig`. */
const defaultPartSize = 8 * 1024 * 1024

export function storageTest(runner: TestRunner, harness: StorageHarness): StorageTest {
  return (name, body) => {
    runner.it(name, async () => {
      const storage = await harness.create()
      try {
        await body(placeOf(storage, harness))
        equal(await remaining(harness), [], 'what the test left behind')
      } finally {
        await harness.destroy?.()
      }
    })
  }
}

function placeOf(storage: Storage, harness: StorageHarness): Place {
  const largeSize = harness.largeSize ?? defaultLargeSize
  const another = async (fileOverwrite: boolean): Promise<Storage> =>
    (await harness.another?.(storage, { fileOverwrite })) ??
    new Storage(storage.backend, { fileOverwrite })
  return {
    storage,
    capabilities: storage.backend.capabilities,
    largeSize,
    partSize: harness.partSize ?? (largeSize > defaultPartSize ? defaultPartSize : undefined),
    fetch: harness.fetch && ((url, init) => fetchThrough(harness, url, init)),
    choosing: () => another(false),
    overwriting: () => another(true),
  }
}

async function fetchThrough(
  harness: StorageHarness,
  url: string,
  init: RequestInit | undefined,
): Promise<Response> {
  const response = await harness.fetch?.(url, init)
  if (response === undefined) throw new Error('The harness has lost its fetch.')
  return response
}

/** Leftovers after at most five seconds of waiting for them to go. */
async function remaining(harness: StorageHarness): Promise<readonly string[]> {
  for (let attempt = 0; ; attempt++) {
    const left = (await harness.leftovers?.()) ?? []
    if (left.length === 0 || attempt === 100) return left
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
