// CPU and wall time of 4 KiB files on disk: ours, and fs/promises with the same promises.
// Usage: node bench/disk.mjs [--calls 2000] [--rounds 9] [--json]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { bareFiles, simplestFiles, stowageFiles } from './engines/files.mjs'
import { content, nameOf } from './engines/workload.mjs'
import { best, machine, median, numberOption, print, table } from './measure.mjs'

const concurrency = 16
const calls = numberOption('calls', 2000)
const rounds = numberOption('rounds', 9)
const engines = {
  stowage: stowageFiles,
  'fs/promises, same promises': bareFiles,
  'fs/promises, none': simplestFiles,
}
const operations = ['save', 'read']

const folder = await mkdtemp(`${tmpdir()}/stowage-disk-`)
try {
  print(await measureAll(), textOf)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function measureAll() {
  const opened = []
  for (const [name, open] of Object.entries(engines))
    opened.push({
      name,
      files: await open(`${folder}/${opened.length}`),
      samples: { save: [], read: [] },
    })
  // One process: disk work is the kernel's for the most part. The first two rounds warm up.
  for (let round = 0; round < rounds + 2; round++) {
    for (const { name, files, samples } of round % 2 === 0 ? opened : opened.toReversed()) {
      for (const operation of operations) {
        const sample = await run(name, files[operation], round * calls)
        if (round >= 2) samples[operation].push(sample)
      }
    }
  }
  return {
    date: new Date().toISOString(),
    machine: machine(),
    calls,
    rounds,
    results: opened.map(({ name, samples }) => ({ name, samples })),
  }
}

/** Every round has names of its own, since a save without overwriting needs free ones. */
async function run(name, call, from) {
  let next = from
  let bytes = 0
  const before = process.cpuUsage()
  const started = performance.now()
  const line = async () => {
    while (next < from + calls) {
      const length = await call(nameOf(next++))
      bytes += length
    }
  }
  await Promise.all(Array.from({ length: concurrency }, line))
  const { user, system } = process.cpuUsage(before)
  if (bytes !== calls * content.byteLength)
    throw new Error(`${name}: ${bytes} bytes instead of ${calls * content.byteLength}.`)
  return { cpu: (user + system) / calls, wall: ((performance.now() - started) * 1000) / calls }
}

function textOf({ results }) {
  const rows = [['µs per call: CPU best (median) / wall best', ...results.map(({ name }) => name)]]
  for (const operation of operations) {
    rows.push([operation, ...results.map(({ samples }) => figureOf(samples[operation]))])
  }
  return `${new Date().toISOString()}, ${machine()}; ${rounds} rounds of ${calls} calls, ${concurrency} at a time\n\n${table(rows)}`
}

function figureOf(samples) {
  const cpu = samples.map(sample => sample.cpu)
  return `${best(cpu).toFixed(0)} (${median(cpu).toFixed(0)}) / ${best(samples.map(sample => sample.wall)).toFixed(0)}`
}
