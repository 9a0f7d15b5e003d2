// Listing 100,000 keys: ours against the AWS SDK v3.
// Usage: node bench/s3-list.mjs [--rounds 5] [--json]
import {
  best,
  countAround,
  expectCounted,
  machine,
  median,
  numberOption,
  print,
  table,
  Worker,
  withNullServer,
} from './measure.mjs'

const keys = 100_000
const pages = 100
const rounds = numberOption('rounds', 5)
const engines = ['stowage', 'aws-sdk']

const report = await withNullServer(async server => {
  const seconds = Object.fromEntries(engines.map(engine => [engine, []]))
  const workers = []
  for (const engine of engines) workers.push(await Worker.start(engine, server.origin))
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const worker of round % 2 === 0 ? workers : workers.toReversed()) {
      const { result, counted } = await countAround(server, () =>
        worker.perform({ operation: 'list' }),
      )
      expectCounted({ ...counted, keys: result.result }, { list: pages, keys }, worker.engine)
      if (round > 0) seconds[worker.engine].push(result.cpu / 1e6)
    }
  }
  for (const worker of workers) worker.stop()
  const measured = engines.map(engine => [
    engine,
    { best: best(seconds[engine]), median: median(seconds[engine]) },
  ])
  return {
    date: new Date().toISOString(),
    machine: machine(),
    server: server.kind,
    keys,
    rounds,
    engines: Object.fromEntries(measured),
  }
})
print(report, textOf)

function textOf({ engines: measured }) {
  const { stowage, 'aws-sdk': sdk } = measured
  const figure = ({ best: least, median: middle }) => `${least.toFixed(2)} (${middle.toFixed(2)})`
  const ratio = `${(sdk.best / stowage.best).toFixed(1)} (${(sdk.median / stowage.median).toFixed(1)})`
  const rows = [
    [
      'CPU s for 100,000 keys',
      'stowage best (median)',
      'aws-sdk best (median)',
      'aws-sdk / stowage',
    ],
    ['list', figure(stowage), figure(sdk), ratio],
  ]
  return `${report.date}, ${report.machine}; null server in ${report.server}; ${rounds} rounds after one\n\n${table(rows)}`
}
