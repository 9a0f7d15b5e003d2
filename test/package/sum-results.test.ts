import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/sum-results.mjs', import.meta.url))

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-sum-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('sum-results', () => {
  it('adds tests and checks, and ends with the sum alone on a line', () => {
    report('tests', vitestReport([{ status: 'passed' }, { status: 'passed' }]))
    report('checks', [{ name: 'types', passed: true }])
    expect(run(folder)).toEqual({ status: 0, lines: ['3 passed, 0 failed'] })
  })

  it('names what failed', () => {
    report('tests', vitestReport([{ status: 'failed' }, { status: 'passed' }]))
    report('checks', [{ name: 'types', passed: false }])
    const { status, lines } = run(folder)
    expect(lines.slice(0, -1).sort()).toEqual(['failed: test 0', 'failed: types'])
    expect(lines.at(-1)).toBe('1 passed, 2 failed')
    expect(status).toBe(1)
  })

  it('counts a skipped test as failed', () => {
    report('tests', vitestReport([{ status: 'skipped' }, { status: 'passed' }]))
    expect(run(folder)).toEqual({
      status: 1,
      lines: ['failed: test 0 (skipped)', '1 passed, 1 failed'],
    })
  })

  it('counts a file that failed without a failed test', () => {
    report('tests', vitestReport([], { status: 'failed', message: 'no such module' }))
    expect(run(folder)).toEqual({
      status: 1,
      lines: ['failed: a.test.ts: no such module', '0 passed, 1 failed'],
    })
  })

  it('fails where nothing was reported', () => {
    expect(run(folder)).toEqual({ status: 1, lines: ['0 passed, 0 failed'] })
  })

  it('counts a failed step once: not where its own report names a failure', () => {
    const [marker, tests] = [join(folder, 'step.json'), join(folder, 'tests.json')]
    report('tests', vitestReport([{ status: 'failed' }]))
    run('--failed', 'npm test', marker, tests)
    expect(existsSync(marker)).toBe(false)
    report('tests', vitestReport([{ status: 'passed' }]))
    run('--failed', 'npm test', marker, tests)
    expect(run(folder)).toEqual({ status: 1, lines: ['failed: npm test', '1 passed, 1 failed'] })
  })
})

function report(name: string, content: unknown): void {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(content))
}

/** The part of Vitest's JSON report that is read. */
function vitestReport(tests: readonly { status: string }[], file: object = {}): object {
  const assertionResults = tests.map(({ status }, index) => ({ status, fullName: `test ${index}` }))
  const status = tests.some(test => test.status === 'failed') ? 'failed' : 'passed'
  return { testResults: [{ name: 'a.test.ts', status, message: '', assertionResults, ...file }] }
}

function run(...args: readonly string[]): { status: number | null; lines: readonly string[] } {
  const { status, stdout } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { status, lines: stdout.trim().split('\n') }
}
