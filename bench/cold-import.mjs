// What `import 'stowage'` and `import 'stowage/s3'` cost in a fresh process, above bare Node.
// Usage: node bench/cold-import.mjs [folder in which stowage is installed] [rounds, default 15]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const folder = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url))
const rounds = Number(process.argv[3] ?? 15)

/** Programs that are compared; rounds alternate between them, so that noise meets all alike. */
const programs = {
  bare: '',
  stowage: "await import('stowage')",
  both: "await Promise.all([import('stowage'), import('stowage/s3')])",
}
const times = { bare: [], stowage: [], both: [] }
for (let round = 0; round <= rounds; round++) {
  for (const [name, code] of Object.entries(programs)) {
    const milliseconds = measure(code)
    // The first round fills the caches of the file system.
    if (round > 0) times[name].push(milliseconds)
  }
}
console.log(
  `cold import: stowage ${over('stowage')}, with stowage/s3 ${over('both')} ms of CPU over bare Node (${Math.round(median(times.bare))} ms)`,
)

/** CPU time of a whole process: what its neighbours do disturbs it least. */
function measure(code) {
  const report = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)'
  const args = ['--input-type=module', '-e', `${code}; ${report}`]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder })
  if (status !== 0) throw new Error(String(stderr))
  return Number(stdout)
}

function over(name) {
  return Math.round(median(times[name]) - median(times.bare))
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}
