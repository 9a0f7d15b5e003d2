// CPU time per call of small objects: ours through the public API, bare undici, the AWS SDK v3.
// Usage: node bench/s3-cpu.mjs [--calls 4000] [--rounds 7] [--warmup 8000] [--engines a,b] [--tls] [--json]

import { objectBytes } from './engines/workload.mjs'
import {
  best,
  countAround,
  expectCounted,
  listOption,
  machine,
  median,
  numberOption,
  print,
  table,
  Worker,
  withNullServer,
} from './measure.mjs'

const concurrency = 16
const calls = numberOption('calls', 4000)
const rounds = numberOption('rounds', 7)
const warmup = numberOption('warmup', 8000)
const engines = listOption('engines', ['stowage', 'undici', 'aws-sdk'])
const operations = listOption('operations', ['save', 'read', 'stat', 'url'])
/** What the server must have counted per call. */
const traffic = {
  save: { put: 1, get: 0, head: 0, bodyBytes: objectBytes },
  read: { put: 0, get: 1, head: 0, bodyBytes: 0 },
  stat: { put: 0, get: 0, head: 1, bodyBytes: 0 },
  url: { put: 0, get: 0, head: 0, bodyBytes: 0 },
}

const report = await withNullServer(async server => {
  const workers = []
  for (const engine of engines) workers.push(await Worker.start(engine, server.origin))
  const results = []
  for (const operation of operations) results.push(await measure(server, workers, operation))
  for (const worker of workers) worker.stop()
  return {
    date: new Date().toISOString(),
    machine: machine(),
    server: server.kind,
    calls,
    rounds,
    warmup,
    concurrency,
    results,
  }
})
print(report, textOf)

/** Rounds of all engines in turn, each time in another order. */
async function measure(server, workers, operation) {
  const able = workers.filter(worker => worker.operations.includes(operation))
  const samples = new Map(able.map(worker => [worker.engine, { micros: [], connections: 0 }]))
  for (const worker of able) await run(server, worker, operation, warmup)
  for (let round = 0; round < rounds; round++) {
    for (const worker of round % 2 === 0 ? able : able.toReversed()) {
      const { cpu, connections } = await run(server, worker, operation, calls)
      const sample = samples.get(worker.engine)
      sample.micros.push(cpu / calls)
      sample.connections += connections
    }
  }
  return {
    operation,
    engines: Object.fromEntries([...samples].map(([engine, sample]) => [engine, summary(sample)])),
  }
}

async function run(server, worker, operation, count) {
  // Connections that idled while the other engines had their turn are opened again, unmeasured.
  await worker.perform({ operation, calls: 10 * concurrency, concurrency })
  const job = { operation, calls: count, concurrency }
  const { result, counted } = await countAround(server, () => worker.perform(job))
  const perCall = Object.entries(traffic[operation]).map(([name, value]) => [name, value * count])
  expectCounted(
    { ...counted, calls: result.result },
    { ...Object.fromEntries(perCall), calls: count },
    `${worker.engine} ${operation}`,
  )
  return { cpu: result.cpu, connections: counted.connections }
}

function summary({ micros, connections }) {
  return { best: best(micros), median: median(micros), connections }
}

function textOf({ results }) {
  const rows = [
    [
      'µs of CPU per call',
      ...engines.map(engine => `${engine} best (median)`),
      'stowage / undici',
      'aws-sdk / stowage',
      'connections opened',
    ],
  ]
  for (const { operation, engines: measured } of results) {
    const cells = engines.map(engine => figureOf(measured[engine]))
    const connections = engines.map(engine => measured[engine]?.connections ?? '-').join(' / ')
    rows.push([
      operation,
      ...cells,
      ratioOf(measured.stowage, measured.undici),
      ratioOf(measured['aws-sdk'], measured.stowage),
      connections,
    ])
  }
  return `${report.date}, ${report.machine}; null server in ${report.server}; ${rounds} rounds of ${calls} calls, ${concurrency} at a time, after ${warmup}\n\n${table(rows)}`
}

function figureOf(measured) {
  return measured === undefined
    ? '-'
    : `${measured.best.toFixed(1)} (${measured.median.toFixed(1)})`
}

/** Of the best and, in brackets, of the medians. */
function ratioOf(dividend, divisor) {
  if (dividend === undefined || divisor === undefined) return '-'
  return `${(dividend.best / divisor.best).toFixed(2)} (${(dividend.median / divisor.median).toFixed(2)})`
}
