// A stream of unknown length to S3: CPU time, and memory over what the process had before.
// Usage: node bench/s3-stream.mjs [--mebibytes 1024] [--rounds 2] [--json]
import {
  best,
  countAround,
  expectCounted,
  machine,
  numberOption,
  print,
  table,
  Worker,
  withNullServer,
} from './measure.mjs'

const mebibyte = 1024 * 1024
const bytes = numberOption('mebibytes', 1024) * mebibyte
const rounds = numberOption('rounds', 2)
const engines = ['stowage', 'aws-sdk']

const report = await withNullServer(async server => {
  const runs = Object.fromEntries(engines.map(engine => [engine, []]))
  for (let round = 0; round < rounds; round++) {
    for (const engine of engines) runs[engine].push(await upload(server, engine))
  }
  return {
    date: new Date().toISOString(),
    machine: machine(),
    server: server.kind,
    mebibytes: bytes / mebibyte,
    rounds,
    runs,
  }
})
print(report, textOf)

/** In a fresh process each time, since a peak never falls again. */
async function upload(server, engine) {
  const worker = await Worker.start(engine, server.origin)
  // Loads what the first request loads, and opens connections: part of the baseline.
  await worker.perform({ operation: 'save', calls: 64, concurrency: 4 })
  const { result, counted } = await countAround(server, () =>
    worker.perform({ operation: 'upload', argument: bytes }),
  )
  expectCounted(counted, { bodyBytes: bytes + completionBytes(counted, bytes) }, engine)
  worker.stop()
  const { cpu, rssBefore, rssHighest, rssPeak } = result
  const over = value => (value - rssBefore) / mebibyte
  return {
    cpuSeconds: cpu / 1e6,
    baseline: rssBefore / mebibyte,
    over: over(rssHighest),
    peakOver: over(rssPeak),
    puts: counted.put,
    connections: counted.connections,
  }
}

/** The document that puts the parts together is a body as well; no more than 200 bytes a part. */
function completionBytes(counted, sent) {
  const more = counted.bodyBytes - sent
  return more > 0 && more < 200 * (counted.put + 1) ? more : 0
}

function textOf({ runs }) {
  const rows = [
    ['', 'CPU s', 'baseline RSS, MiB', 'over it, sampled', 'over it, by maxRSS', 'parts'],
  ]
  for (const engine of engines) {
    const of = name => best(runs[engine].map(run => run[name]))
    const largest = name => Math.max(...runs[engine].map(run => run[name]))
    rows.push([
      engine,
      of('cpuSeconds').toFixed(2),
      largest('baseline').toFixed(0),
      largest('over').toFixed(0),
      largest('peakOver').toFixed(0),
      of('puts'),
    ])
  }
  return `${report.date}, ${report.machine}; null server in ${report.server}; ${report.mebibytes} MiB of unknown length, ${rounds} processes each (best CPU, worst memory)\n\n${table(rows)}`
}
