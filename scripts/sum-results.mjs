// Sums what test runs and checks reported, says what failed or was skipped, and ends with one line.
// Usage: node scripts/sum-results.mjs <folder of reports>
//        node scripts/sum-results.mjs --failed <title> <report to write> [report of its tests]
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [first, title, file, report] = process.argv.slice(2)
if (first !== '--failed') sum(first)
else if (!namesFailure(report))
  writeFileSync(file, JSON.stringify([{ name: title, passed: false }]))

function sum(folder) {
  const results = readdirSync(folder).flatMap(name =>
    resultsOf(JSON.parse(readFileSync(join(folder, name), 'utf8'))),
  )
  const failed = results.filter(result => !result.passed)
  for (const { name } of failed) console.log(`failed: ${name}`)
  console.log(`${results.length - failed.length} passed, ${failed.length} failed`)
  process.exitCode = failed.length === 0 && results.length > 0 ? 0 : 1
}

function namesFailure(path) {
  return existsSync(path) && readResults(path).some(result => !result.passed)
}

function readResults(path) {
  return resultsOf(JSON.parse(readFileSync(path, 'utf8')))
}

/** Checks report `[{ name, passed }]`, Vitest a tree of files and tests. */
function resultsOf(report) {
  return Array.isArray(report) ? report : report.testResults.flatMap(fileResults)
}

/** A file that fails without a test failed on its own: it did not load, or a hook threw. */
function fileResults({ name, status, message, assertionResults }) {
  const tests = assertionResults.map(test => ({
    // Skipped is not passed: a test that CI does not run protects nothing.
    passed: test.status === 'passed',
    name: test.status === 'failed' ? test.fullName : `${test.fullName} (${test.status})`,
  }))
  if (status === 'passed' || tests.some(test => !test.passed)) return tests
  return [...tests, { passed: false, name: `${name}: ${message}` }]
}
