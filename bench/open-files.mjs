// Open files: sequential and random reads and writes of large files, against bare undici and fs streams.
// Usage: node bench/open-files.mjs [--mebibytes 1024] [--rounds 3] [--works read,random,write,diskRead,diskWrite] [--tls] [--json]
import { fork } from 'node:child_process'
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { chunksOf, keys, partBytes, partsInFlight } from './engines/workload.mjs'
import { best, listOption, machine, median, numberOption, print, table } from './measure.mjs'

const mebibyte = 1024 * 1024
const bytes = numberOption('mebibytes', 1024) * mebibyte
const rounds = numberOption('rounds', 3)
const randomReads = 8000
const randomBytes = 64 * 1024
const works = listOption('works', ['read', 'random', 'write', 'diskRead', 'diskWrite'])

const tls = process.argv.includes('--tls')
const pem = name => fileURLToPath(new URL(`../test/fixtures/tls/${name}.pem`, import.meta.url))

if (process.send === undefined) print(await measureAll(), textOf)
else await serveWork()

/** Each pair in a process of its own per engine, in turns. */
async function measureAll() {
  const results = []
  if (works.some(work => !work.startsWith('disk'))) results.push(...(await measureS3()))
  if (works.some(work => work.startsWith('disk'))) results.push(...(await measureDisk()))
  return {
    date: new Date().toISOString(),
    machine: machine(),
    mebibytes: bytes / mebibyte,
    rounds,
    results,
  }
}

async function measureS3() {
  const file = fileURLToPath(new URL('open-files-server.mjs', import.meta.url))
  const server = fork(file, tls ? [pem('server'), pem('server-key')] : [])
  const { origin } = await answerOf(server)
  const results = []
  try {
    for (const [work, length] of [
      ['read', bytes],
      ['random', randomReads * randomBytes],
      ['write', bytes],
    ])
      if (works.includes(work))
        results.push(
          await compare(
            `S3 ${work}${tls ? ', TLS' : ''}`,
            length,
            ['stowage', 'undici'],
            { work, origin },
            server,
          ),
        )
  } finally {
    server.disconnect()
  }
  return results
}

async function measureDisk() {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  try {
    await pipeline(Readable.from(chunksOf(bytes)), createWriteStream(join(folder, 'large.bin')))
    const results = []
    for (const work of works.filter(each => each.startsWith('disk')))
      results.push(
        await compare(
          work.replace('disk', 'disk ').toLowerCase(),
          bytes,
          ['stowage', 'fs streams'],
          {
            work,
            folder,
          },
        ),
      )
    return results
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function compare(name, length, engines, job, server) {
  const runs = Object.fromEntries(engines.map(engine => [engine, []]))
  for (let round = 0; round < rounds; round++) {
    for (const engine of round % 2 === 0 ? engines : engines.toReversed()) {
      const before = await countersOf(server)
      const run = await runOnce({ ...job, engine })
      checkCounters(name, job.work, before, await countersOf(server), length)
      runs[engine].push(run)
    }
  }
  return { name, bytes: length, runs }
}

async function countersOf(server) {
  if (server === undefined) return { sent: 0, received: 0 }
  server.send({})
  return (await answerOf(server)).counters
}

/** @throws Error when other bytes went over the wire than were measured. Two windows are read ahead at most. */
function checkCounters(name, work, before, after, length) {
  if (work.startsWith('disk')) return
  const way = work === 'write' ? 'received' : 'sent'
  const moved = after[way] - before[way]
  if (moved < length || moved > length * 1.01 + 8 * mebibyte)
    throw new Error(`${name}: ${moved} bytes were ${way}, not ${length}.`)
}

async function runOnce(job) {
  const env = { ...process.env, AWS_EC2_METADATA_DISABLED: 'true' }
  const execArgv = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []
  const worker = fork(fileURLToPath(import.meta.url), process.argv.slice(2), { env, execArgv })
  await answerOf(worker)
  worker.send(job)
  const answer = await answerOf(worker)
  worker.disconnect()
  return answer
}

function answerOf(child) {
  return new Promise((resolve, reject) => {
    const onExit = code => reject(new Error(`A process of the benchmark ended with ${code}.`))
    child.once('exit', onExit)
    child.once('message', message => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}

function textOf({ results, ...report }) {
  const rows = [
    ['', 'engine', 'wall s, best', 'median', 'CPU s, best', 'MiB/s', 'memory over, MiB', 'of bare'],
  ]
  for (const { name, bytes: length, runs } of results) {
    const engines = Object.keys(runs)
    const wall = engine => best(runs[engine].map(run => run.wall))
    for (const engine of engines) {
      const own = runs[engine]
      rows.push([
        name,
        engine,
        wall(engine).toFixed(2),
        median(own.map(run => run.wall)).toFixed(2),
        best(own.map(run => run.cpu)).toFixed(2),
        (length / mebibyte / wall(engine)).toFixed(0),
        Math.max(...own.map(run => run.over)).toFixed(0),
        (wall(engines.at(-1)) / wall(engine)).toFixed(2),
      ])
    }
  }
  return `${report.date}, ${report.machine}; ${report.mebibytes} MiB, ${report.rounds} processes each\n\n${table(rows)}`
}

/* --- the child: does one job and tells what it cost ------------------------------------------- */

async function serveWork() {
  process.on('message', async job => process.send(await measured(job)))
  process.on('disconnect', () => process.exit())
  process.send({ ready: true })
}

async function measured(job) {
  const { warmUp, run } = await prepared(job)
  await warmUp()
  // undici's parser is WebAssembly: its compiler, in threads of its own, holds 27 MiB for a moment.
  await new Promise(resolve => setTimeout(resolve, 500))
  const rss = process.memoryUsage.rss()
  let highest = rss
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss())
  }, 25)
  const started = performance.now()
  const cpu = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(cpu)
  clearInterval(timer)
  const wall = (performance.now() - started) / 1000
  return { wall, cpu: (user + system) / 1e6, over: (highest - rss) / mebibyte }
}

async function prepared({ engine, work, origin, folder }) {
  const jobs = await { stowage: ours, undici: bareUndici, 'fs streams': bareStreams }[engine](
    origin,
    folder,
  )
  return { warmUp: jobs.warmUp ?? (async () => {}), run: jobs[work] }
}

async function ours(origin, folder) {
  const dist = process.env.STOWAGE_DIST ?? new URL('../dist', import.meta.url).href
  const { S3Storage } = await import(`${dist}/s3.js`)
  const { FileSystemStorage } = await import(`${dist}/index.js`)
  const place = { bucketName: 'bench', regionName: 'us-east-1', endpointUrl: origin }
  if (tls) place.verify = pem('ca')
  const s3 = new S3Storage(origin === undefined ? {} : { ...keys, ...place })
  const disk = new FileSystemStorage({ location: folder ?? tmpdir() })
  return {
    async warmUp() {
      // The baseline is a process that has read and written something.
      if (origin !== undefined) await (await s3.open('large.bin')).close()
      if (origin !== undefined) await s3.save('small.bin', new Uint8Array(4096))
    },
    async read() {
      // The object is larger than what is read: a slice ends where the measurement does.
      const file = await s3.open('large.bin')
      let length = 0
      for await (const piece of file) {
        length += piece.byteLength
        if (length >= bytes) break
      }
      await file.close()
    },
    async random() {
      const file = await s3.open('large.bin')
      for (let n = 0; n < randomReads; n++) {
        await file.seek(placeOf(n))
        const read = await file.read(randomBytes)
        if (read.byteLength !== randomBytes) throw new Error('too few bytes')
      }
      await file.close()
    },
    write: async () => void (await s3.save('large.bin', chunksOf(bytes))),
    async diskRead() {
      const file = await disk.open('large.bin')
      let length = 0
      for await (const piece of file) length += piece.byteLength
      if (length !== bytes) throw new Error('too few bytes')
    },
    diskWrite: async () => void (await disk.save('copy.bin', chunksOf(bytes), { overwrite: true })),
  }
}

async function bareUndici(origin) {
  const { Pool } = await import('undici')
  const connect = tls ? { ca: readFileSync(pem('ca')) } : {}
  const pool = new Pool(origin, { connections: 256, connect })
  const send = (method, path, headers, body, onData = () => {}) =>
    new Promise((resolve, reject) => {
      pool.dispatch(
        { method, path, headers, body, reset: false },
        {
          onConnect() {},
          onHeaders: () => true,
          onData(chunk) {
            onData(chunk)
            return true
          },
          onComplete: resolve,
          onError: reject,
        },
      )
    })
  const get = async (start, end, onData) => {
    let length = 0
    await send('GET', '/bench/large.bin', ['range', `bytes=${start}-${end - 1}`], null, chunk => {
      length += chunk.byteLength
      onData?.(chunk)
    })
    if (length !== end - start) throw new Error('too few bytes')
  }
  // What is read at a place is wanted in one piece.
  const getPiece = async (start, end) => {
    const chunks = []
    await get(start, end, chunk => chunks.push(chunk))
    return Buffer.concat(chunks)
  }
  return {
    async warmUp() {
      await get(0, 1)
      await send('PUT', '/bench/small.bin', [], new Uint8Array(4096))
    },
    read: () => get(0, bytes),
    async random() {
      for (let n = 0; n < randomReads; n++) await getPiece(placeOf(n), placeOf(n) + randomBytes)
    },
    async write() {
      const part = new Uint8Array(partBytes).fill(0x78)
      let left = bytes / partBytes
      const line = async () => {
        while (left-- > 0) await send('PUT', '/bench/large.bin?partNumber=1', [], part)
      }
      await Promise.all(Array.from({ length: partsInFlight }, line))
    },
  }
}

async function bareStreams(_origin, folder) {
  return {
    async diskRead() {
      let length = 0
      for await (const chunk of createReadStream(join(folder, 'large.bin')))
        length += chunk.byteLength
      if (length !== bytes) throw new Error('too few bytes')
    },
    diskWrite: () =>
      pipeline(Readable.from(chunksOf(bytes)), createWriteStream(join(folder, 'bare.bin'))),
  }
}

/** Places all over 10 GiB, the same for everybody. */
function placeOf(n) {
  return (Math.imul(n + 1, 0x9e3779b1) >>> 0) * 2
}
