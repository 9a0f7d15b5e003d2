// collectstatic of a real tree, side by side: ours, Django 3.2 with django-storages, rclone.
//   node bench/static.mjs [--tree small|large] [--delay 20] [--runs stowage,django,rclone] [--local] [--json]
//   --tree-folder <folder>  where trees are kept (default: the system's temporary folder)
// Django and rclone are Debian's: apt-get install python3-django python3-django-storages rclone
import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listOption, machine, numberOption, print, table } from './measure.mjs'
import { makeTree } from './static/tree.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const [size] = listOption('tree', ['small'])
const [folder] = listOption('tree-folder', [join(tmpdir(), 'stowage-bench-trees')])
const delay = numberOption('delay', 20)
const local = process.argv.includes('--local')
const names = listOption('runs', ['stowage', 'django', 'rclone'])
const source = makeTree(folder, size)
let resulting
const work = mkdtempSync(join(tmpdir(), 'stowage-bench-'))

/** How each is run: its command for a place, and a copy of what is to be sent by those that only copy. */
const peers = {
  stowage: place => [process.execPath, [join(here, 'static/stowage.mjs'), source, place]],
  django: place => ['/usr/bin/python3', [join(here, 'peers/collect.py'), source, place]],
  rclone: place => ['rclone', rcloneArguments(place)],
}

try {
  const rows = []
  for (const name of names)
    rows.push(...(local ? await measureLocal(name) : await measureRemote(name)))
  print(
    {
      machine: machine(),
      files: count(source),
      tree: size,
      delay: local ? undefined : delay,
      rows,
    },
    toText,
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function measureRemote(name) {
  const server = await startServer()
  try {
    const rows = []
    for (const run of ['first', 'unchanged', 'new times']) {
      if (run === 'new times') touch(source)
      const before = await server.counters()
      const measured = await execute(peers[name](server.endpoint))
      const after = await server.counters()
      rows.push({ name, run, requests: after.requests - before.requests, ...measured })
    }
    return rows
  } finally {
    server.stop()
  }
}

async function measureLocal(name) {
  const rows = []
  for (const run of ['first', 'unchanged', 'new times']) {
    if (run === 'new times') touch(source)
    rows.push({ name, run, ...(await execute(peers[name](join(work, name)))) })
  }
  return rows
}

/** The tree that ours made, so that all write the same objects. */
function rcloneArguments(place) {
  const config = `:s3,provider=Minio,access_key_id=bench,secret_access_key=bench,endpoint="${place}":static`
  const tuned = [
    '--fast-list',
    '--checksum',
    '--s3-no-head',
    '--s3-no-check-bucket',
    '--transfers',
    '16',
  ]
  return ['copy', resultingTree(), config, ...tuned]
}

function resultingTree() {
  if (resulting !== undefined) return resulting
  resulting = join(work, 'resulting')
  const [command, args] = peers.stowage(resulting)
  const child = spawnSync(command, args)
  if (child.status !== 0) throw new Error('The tree to copy could not be made.')
  return resulting
}

async function execute([command, args]) {
  const child = spawn('/usr/bin/time', ['-f', '%U %S %e %M', command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnvironment(),
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (errors += chunk))
  const status = await new Promise(resolve => child.once('close', resolve))
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${errors}`)
  const [user, system, wall, rss] = errors.trim().split('\n').at(-1).split(' ').map(Number)
  return {
    cpu: user + system,
    wall,
    rss: Math.round(rss / 1024),
    output: output.trim().split('\n').at(-1),
  }
}

/** Settings of other services must not reach the peers. */
function cleanEnvironment() {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'))
  return { ...Object.fromEntries(others), AWS_EC2_METADATA_DISABLED: 'true' }
}

async function startServer() {
  const child = fork(join(here, 'static/slow-server.mjs'), [String(delay)])
  const answer = () => new Promise(resolve => child.once('message', resolve))
  const { endpoint } = await answer()
  return {
    endpoint,
    counters() {
      child.send('counters')
      return answer()
    },
    stop: () => child.disconnect(),
  }
}

function touch(dir) {
  const now = new Date(Date.now() + 60_000)
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), now, now)
}

function count(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    .length
}

function toText({ machine: where, files, tree, delay: ms, rows }) {
  const head = ['', 'run', 'requests', 'CPU s', 'wall s', 'MiB', 'it says']
  const lines = rows.map(({ name, run, requests = '', cpu, wall, rss, output }) => [
    name,
    run,
    requests,
    cpu.toFixed(2),
    wall.toFixed(2),
    rss,
    output.replaceAll('|', '/').slice(0, 120),
  ])
  return `${where}\n${files} files (${tree})${ms === undefined ? ', to disk' : `, ${ms} ms a request`}\n\n${table([head, ...lines])}`
}
