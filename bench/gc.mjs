// collectGarbage of 1,000,000 keys against 1,000,000 rows: time and resident memory over the baseline.
//   node bench/gc.mjs [--keys 1000000] [--disk] [--json]
// The storage lists names that it makes up, the rows come from a generator in another order: what is
// measured is the comparison, not a service; `--disk`: as files, which links may give several names. One key in 1,000 is an orphan, one row in 1,000 misses its file.
import { UnsupportedError } from 'stowage'
import { collectGarbage } from 'stowage/fields'
import { machine, numberOption, print, table } from './measure.mjs'

const keys = numberOption('keys', 1_000_000)
const isOnDisk = process.argv.includes('--disk')
const old = new Date(0)
const nameOf = index => `uploads/2026/${String(index % 365).padStart(3, '0')}/photo-${index}.jpeg`

/** Few at first: a run loads and compiles what is needed, and memory counts from there. */
let listed = 1000
const storage = {
  async *list() {
    for (let index = 0; index < listed; index++) {
      const etag = isOnDisk ? `"1f-${index}-19a8f2c3b1e"` : undefined
      yield { name: nameOf(index), modifiedTime: old, etag }
    }
  },
  path(name) {
    if (isOnDisk) return `/media/${name}`
    throw new UnsupportedError('no path', {})
  },
  async exists() {
    return false
  },
}

/** All but every thousandth key, in another order, and as many names without a file. */
function* used() {
  const step = 7919 // prime to any number of keys that is no multiple of it
  for (let index = 0, at = 0; index < keys; index++, at = (at + step) % keys)
    yield at % 1000 === 0 ? `uploads/missing/${at}.jpeg` : nameOf(at)
}

for await (const _finding of collectGarbage({ storage, used: ['uploads/none.jpeg'] }));
globalThis.gc?.()
const baseline = process.memoryUsage.rss()
let peak = baseline
const sampling = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss())
}, 10)
listed = keys
const start = performance.now()
const counts = { orphan: 0, missing: 0, deleted: 0 }
let seen = 0
for await (const { state } of collectGarbage({ storage, used: used() })) {
  counts[state]++
  // The loop never leaves room for a timer.
  if (++seen % 10 === 0) peak = Math.max(peak, process.memoryUsage.rss())
}
clearInterval(sampling)
const expected = Math.ceil(keys / 1000)
if (counts.orphan !== expected || counts.missing !== expected)
  throw new Error(`${JSON.stringify(counts)} found, ${expected} orphans and missing files expected`)

const maxRss = process.resourceUsage().maxRSS / 1024
const result = {
  keys,
  seconds: (performance.now() - start) / 1000,
  samplesMiB: (peak - baseline) / 2 ** 20,
  maxRssMiB: maxRss - baseline / 2 ** 20,
}
print({ machine: machine(), ...result }, () =>
  table([
    ['keys and rows', 'seconds', 'MiB over the baseline, samples', 'by maxRSS'],
    [keys, result.seconds.toFixed(1), result.samplesMiB.toFixed(0), result.maxRssMiB.toFixed(0)],
  ]),
)
