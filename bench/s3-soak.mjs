// Whether memory stays flat: resident memory after each hundredth of a million small requests.
// Usage: node bench/s3-soak.mjs [--requests 1000000] [--concurrency 64] [--json]
import { machine, numberOption, print, table, Worker, withNullServer } from './measure.mjs'

const requests = numberOption('requests', 1_000_000)
const concurrency = numberOption('concurrency', 64)
const operations = ['save', 'read', 'stat']
/** Slices are taken by the operations in turn. */
const slices = 99

const report = await withNullServer(async server => {
  const worker = await Worker.start('stowage', server.origin)
  const resident = []
  for (let slice = 0; slice < slices; slice++) {
    const operation = operations[slice % operations.length]
    await worker.perform({ operation, calls: Math.ceil(requests / slices), concurrency })
    const { rssBefore } = await worker.perform({ operation: 'stat', argument: 0 })
    resident.push(rssBefore)
  }
  worker.stop()
  const { connections, put, get, head } = await server.counters()
  return { machine: machine(), resident, connections, requests: put + get + head }
})
print(report, textOf)

/** The tenths of the run: each the median of its slices, since collections come when they like. */
function textOf({ resident, connections, requests: sent }) {
  const tenth = resident.length / 10
  const rows = [['requests', 'resident, MiB']]
  for (let part = 0; part < 10; part++) {
    const values = resident.slice(Math.floor(part * tenth), Math.floor((part + 1) * tenth))
    values.sort((a, b) => a - b)
    const middle = values[values.length >> 1]
    rows.push([((sent * (part + 1)) / 10).toFixed(0), (middle / 1024 / 1024).toFixed(0)])
  }
  return `${report.machine}; ${sent} requests, ${concurrency} at a time, over ${connections} connections\n\n${table(rows)}`
}
