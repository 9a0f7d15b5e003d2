import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { lockName } from './disk-names.ts'
import { withLock } from './lock-file.ts'
import { type HeldPath, Root } from './root.ts'

let location = ''
let folder: HeldPath

beforeEach(async () => {
  location = await mkdtemp(join(tmpdir(), 'stowage-lock-'))
  folder = new Root(location).hold('', 'folder')
})

afterEach(async () => {
  folder.close()
  await rm(location, { recursive: true, force: true })
})

/** A process that holds the lock of `subject` and does not end by itself. */
async function holder(subject: string) {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
  const script = `import { writeSync } from 'node:fs'
    const { Root } = await import(${JSON.stringify(path('./root.ts'))})
    const { withLock } = await import(${JSON.stringify(path('./lock-file.ts'))})
    const folder = new Root(${JSON.stringify(location)}).hold('', 'folder')
    await withLock(folder, ${JSON.stringify(subject)}, () => {
      writeSync(1, 'held')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const file = join(location, 'holder.mts')

  await writeFile(file, script)
  const jiti = import.meta.resolve('jiti/register')
  const child = spawn(process.execPath, ['--import', jiti, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

it('runs the work, gives its result, and leaves no lock', async () => {
  expect(await withLock(folder, 'a', () => 'done')).toBe('done')
  await expect(
    withLock(folder, 'a', () => {
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  expect(await readdir(location)).toEqual([])
})

it('lets others wait until the work is done, and other subjects not', async () => {
  const order: string[] = []
  let later: Promise<unknown> = Promise.resolve()
  await withLock(folder, 'a', () => {
    later = withLock(folder, 'a', () => order.push('second'))
    void withLock(folder, 'b', () => order.push('other'))
    order.push('first')
  })
  await later
  expect(order).toEqual(['other', 'first', 'second'])
})

it('waits for a process that lives, and takes over from one that was killed', async () => {
  const child = await holder('a')
  try {
    const controller = new AbortController()
    const waiting = withLock(folder, 'a', () => 'mine', controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 200)
    await expect(waiting).rejects.toThrow('enough')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  const results = await Promise.all([1, 2, 3].map(n => withLock(folder, 'a', () => n)))

  expect(results).toEqual([1, 2, 3])
  expect((await readdir(location)).filter(name => name.endsWith('.lock'))).toEqual([])
})

it('takes over a lock of an owner that nobody can ask after, once it is a minute old', async () => {
  const path = join(location, lockName('a'))
  await writeFile(path, '')
  const controller = new AbortController()
  const waiting = withLock(folder, 'a', () => 'mine', controller.signal)
  setTimeout(() => controller.abort(new Error('enough')), 100)
  await expect(waiting).rejects.toThrow('enough')

  const old = Date.now() / 1000 - 61
  await utimes(path, old, old)
  expect(await withLock(folder, 'a', () => 'mine')).toBe('mine')
})

it('takes over also from a process that died while it took over', async () => {
  const elsewhere = (id: string): string =>
    JSON.stringify({ host: 'another machine', pid: 1, started: '', id })
  const old = Date.now() / 1000 - 61
  const [first, second] = [elsewhere('first'), elsewhere('second')]
  for (const [name, text] of [
    [lockName('a'), first],
    [lockName(first), second],
  ] as const) {
    await writeFile(join(location, name), text)
    await utimes(join(location, name), old, old)
  }

  expect(await withLock(folder, 'a', () => 'mine')).toBe('mine')
  expect(await readdir(location)).toEqual([])
})
