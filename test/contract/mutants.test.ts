import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../../src/backends/memory/memory-backend.ts'
import type { Backend } from '../../src/core/backend.ts'
import { Storage } from '../../src/core/storage.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { type CollectedTest, CollectingRunner, failureOf } from './collecting-runner.ts'
import { mutants } from './mutants.ts'

/** More than any test of the suite takes in memory, and than what it waits for itself. */
const timeout = 15_000

function testsOf(make: () => Backend): CollectedTest[] {
  const runner = new CollectingRunner()
  testStorageBackend('suite', { create: async () => new Storage(make()) }, runner)
  return runner.tests
}

function named(tests: readonly CollectedTest[], name: string): CollectedTest {
  const test = tests.find(test => test.name === `suite > ${name}`)
  if (test === undefined) throw new Error(`The suite has no test "${name}".`)
  return test
}

describe('the contract suite', () => {
  it('has no two tests of one name', () => {
    const names = testsOf(() => new MemoryBackend()).map(({ name }) => name)
    expect(names.length).toBeGreaterThan(250)
    expect(new Set(names).size).toBe(names.length)
  })

  for (const { defect, make, foundBy } of mutants) {
    it(`finds a backend that ${defect}`, async () => {
      const tests = testsOf(make)
      for (const name of foundBy) {
        const failure = await failureOf(named(tests, name), timeout)
        expect(failure, `the failure of "${name}"`).toBeInstanceOf(Error)
      }
    })
  }

  it('finds nothing wrong with the memory backend in the tests that find the others', async () => {
    const tests = testsOf(() => new MemoryBackend())
    for (const name of new Set(mutants.flatMap(({ foundBy }) => foundBy))) {
      expect(await failureOf(named(tests, name), timeout), name).toBeUndefined()
    }
  })
})

describe('the runner of the contract suite', () => {
  it('is asked for when there are no global functions', () => {
    const harness = { create: async () => new Storage(new MemoryBackend()) }
    expect(() => testStorageBackend('suite', harness)).toThrow(TypeError)
  })

  it('destroys the place of a test that failed, and reports what is left', async () => {
    const log: string[] = []
    const runner = new CollectingRunner()
    const harness = {
      create: async (): Promise<Storage> => {
        log.push('create')
        return new Storage(new MemoryBackend())
      },
      destroy: async (): Promise<void> => {
        log.push('destroy')
      },
      leftovers: async (): Promise<string[]> => ['upload-1'],
    }
    testStorageBackend('suite', harness, runner)
    const failure = await failureOf(named(runner.tests, 'content > stores bytes'), timeout)
    expect(String(failure)).toContain('upload-1')
    expect(log).toEqual(['create', 'destroy'])
  })
})
