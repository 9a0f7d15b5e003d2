import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  FileChangedError,
  FileExistsError,
  FileNotFoundError,
  ImproperlyConfigured,
  isStorageError,
  PermissionDeniedError,
  PreconditionFailedError,
  SuspiciousFileOperation,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { temporaryName } from './disk-names.ts'
import { FileSystemStorage } from './filesystem-storage.ts'

let base = ''
let location = ''
let storage = new FileSystemStorage()

const at = (...path: string[]): string => join(location, ...path)
const outside = (...path: string[]): string => join(base, 'outside', ...path)

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'stowage-disk-')))
  // So that the tests which give up root's rights get here.
  await chmod(base, 0o755)
  location = join(base, 'root')
  storage = new FileSystemStorage({ location, baseUrl: '/media' })
})

afterEach(() => rm(base, { recursive: true, force: true }))

async function listed(folder = '', recursive = true): Promise<string[]> {
  const names: string[] = []
  for await (const file of storage.list(folder, { recursive })) names.push(file.name)
  return names
}

/** What happens with another umask, and with the rights of nobody where the tests run as root. */
async function withUmask<T>(mask: number, work: () => Promise<T>): Promise<T> {
  const before = process.umask(mask)
  try {
    return await work()
  } finally {
    process.umask(before)
  }
}

async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work()
  process.seteuid?.(65534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

/** Descriptors of this process that lead below the base folder. */
function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(base) ? [path] : []
    } catch {
      return []
    }
  })
}

describe('permissions', () => {
  it('are those of the settings, whatever the umask says', async () => {
    await withUmask(0o077, () => storage.save('a/b/file', 'x'))
    expect((await stat(at('a/b/file'))).mode & 0o7777).toBe(0o644)
    expect((await stat(at('a'))).mode & 0o7777).toBe(0o700)

    const strict = new FileSystemStorage({
      location: join(base, 'deep/strict'),
      filePermissionsMode: 0o606,
      directoryPermissionsMode: 0o757,
    })
    await withUmask(0o077, async () => {
      await strict.save('a/b/file', 'x')
      await strict.copy('a/b/file', 'c/copy')
    })
    for (const file of ['a/b/file', 'c/copy'])
      expect((await stat(strict.path(file))).mode & 0o7777).toBe(0o606)
    for (const folder of ['../', '', 'a', 'a/b', 'c'])
      expect((await stat(join(base, 'deep/strict', folder))).mode & 0o7777).toBe(0o757)
  })

  it('are left to the umask with null', async () => {
    const loose = new FileSystemStorage({ location, filePermissionsMode: null })
    await withUmask(0o027, async () => {
      await loose.save('file', 'x')
      await loose.save('stream', new Blob(['x']))
      await loose.copy('file', 'copy')
    })
    for (const name of ['file', 'stream', 'copy'])
      expect((await stat(at(name))).mode & 0o7777).toBe(0o640)
  })

  it('that are missing are a PermissionDeniedError', async () => {
    await storage.save('closed/file', 'x')
    await chmod(at('closed/file'), 0o000)
    await chmod(at('closed'), 0o555)
    await asNobody(async () => {
      await expect(storage.save('closed/other', 'y')).rejects.toThrow(PermissionDeniedError)
      await expect(storage.open('closed/file')).rejects.toThrow(PermissionDeniedError)
      await expect(storage.delete('closed/file')).rejects.toThrow(PermissionDeniedError)
    })
  })

  it('that are missing in the middle of a tree are told with the name of the folder', async () => {
    for (const name of ['a/file', 'a/locked/file', 'b/file']) await storage.save(name, 'x')
    for (const path of ['a', 'a/locked', 'b']) await writeFile(at(path, temporaryName()), 'x')
    for (const path of ['a', 'b']) await chmod(at(path), 0o777)
    await chmod(at('a/locked'), 0o000)
    const locked = { name: 'PermissionDeniedError', file: 'a/locked/' }
    await asNobody(async () => {
      await expect(listed()).rejects.toMatchObject(locked)
      await expect(storage.listdir('a/locked')).rejects.toMatchObject(locked)
      await expect(storage.cleanupUploads({ olderThan: 0 })).rejects.toThrow(
        'refused access to "a/locked/"',
      )
    })
    // What can be cleaned up is.
    expect([await readdir(at('a')), await readdir(at('b'))]).toEqual([['file', 'locked'], ['file']])
  })
})

describe('links', () => {
  beforeEach(async () => {
    await mkdir(outside('sub'), { recursive: true })
    await writeFile(outside('secret.txt'), 'secret')
    await storage.save('real/file.txt', 'inside')
    await symlink(outside(), at('out'))
    await symlink(outside('secret.txt'), at('leak.txt'))
  })

  it.each(['out/secret.txt', 'leak.txt'])('%s is refused by every operation', async name => {
    const overwriting = new FileSystemStorage({ location, fileOverwrite: true })
    const refused = [
      () => storage.open(name),
      () => storage.exists(name),
      () => storage.stat(name),
      () => storage.delete(name),
      () => storage.copy(name, 'copy'),
      () => storage.move(name, 'moved'),
      () => overwriting.save(name, 'mine'),
      () => overwriting.copy('real/file.txt', name),
      () => overwriting.move('real/file.txt', name),
      () => storage.save('out/new.txt', 'mine'),
      () => storage.save('out/new/deep.txt', 'mine'),
      () => storage.listdir('out'),
      () => listed('out'),
    ]
    for (const operation of refused)
      await expect(operation()).rejects.toThrow(SuspiciousFileOperation)

    expect(await readdir(outside())).toEqual(['secret.txt', 'sub'])
    expect(await readFile(outside('secret.txt'), 'utf8')).toBe('secret')
    expect(await readdir(location)).toEqual(['leak.txt', 'out', 'real'])
  })

  it('that leave the root or are dead are not listed', async () => {
    await symlink('nowhere', at('dead'))
    await symlink('real', at('near'))
    expect(await storage.listdir('')).toEqual([['near', 'real'], []])
    expect(await listed()).toEqual(['near/file.txt', 'real/file.txt'])
  })

  it('in a circle end', async () => {
    await symlink('..', at('real/up'))
    await symlink('loop', at('loop'))
    expect(await listed()).toEqual(['real/file.txt'])
    await expect(storage.exists('loop')).rejects.toThrow(SuspiciousFileOperation)
  })

  it('that stay inside are followed: what they lead to is read and replaced', async () => {
    await symlink('real/file.txt', at('near.txt'))
    await symlink('real', at('folder'))
    const overwriting = new FileSystemStorage({ location, fileOverwrite: true })

    await overwriting.save('near.txt', 'second')
    expect(await readFile(at('real/file.txt'), 'utf8')).toBe('second')
    await overwriting.save('folder/file.txt', 'third')
    expect(await (await storage.file('near.txt')).text()).toBe('third')
    const { etag } = await storage.stat('near.txt')
    await storage.save('near.txt', 'fourth', { ifMatch: etag })
    expect(await readFile(at('real/file.txt'), 'utf8')).toBe('fourth')
    expect((await lstat(at('near.txt'))).isSymbolicLink()).toBe(true)

    await storage.move('near.txt', 'elsewhere/moved.txt')
    expect(await (await storage.file('elsewhere/moved.txt')).text()).toBe('fourth')
    expect(await storage.exists('real/file.txt')).toBe(true)
    expect(await storage.exists('near.txt')).toBe(false)
    await storage.delete('folder')
    expect((await lstat(at('folder'))).isSymbolicLink()).toBe(true)
  })

  it('that are dead count as taken, and are replaced when overwriting', async () => {
    await symlink('nowhere', at('dead.txt'))
    const name = await storage.save('dead.txt', 'x')
    expect(name).toMatch(/^dead_\w{7}\.txt$/)
    expect(await storage.exists('dead.txt')).toBe(false)

    await storage.save('dead.txt', 'y', { overwrite: true })
    expect((await lstat(at('dead.txt'))).isFile()).toBe(true)
    await symlink('nowhere', at('dead'))
    await storage.delete('dead')
    await expect(lstat(at('dead'))).rejects.toThrow(/ENOENT/)
  })

  it('may be the root itself', async () => {
    await symlink(location, join(base, 'link'))
    const linked = new FileSystemStorage({ location: join(base, 'link') })
    await linked.save('x.txt', 'x')
    expect(await (await linked.file('real/file.txt')).text()).toBe('inside')
    expect(await readFile(at('x.txt'), 'utf8')).toBe('x')
  })
})

describe('a folder that is swapped for a link to outside all the time', () => {
  it('lets nothing in or out', async () => {
    await mkdir(outside())
    await writeFile(outside('file.txt'), 'secret')
    await writeFile(outside('victim.txt'), 'secret')
    await storage.save('a/file.txt', 'public')
    const swaps = new Int32Array(new SharedArrayBuffer(8))
    const swapper = new Worker(
      `const { renameSync, rmSync, symlinkSync, unlinkSync } = require('node:fs')
       const { workerData: { folder, aside, target, swaps } } = require('node:worker_threads')
       // A save may make the folder anew in the moment in which it is away.
       function insist(step) {
         for (let attempt = 0; attempt < 10_000; attempt++) {
           try { return step() } catch {}
           try { rmSync(folder, { recursive: true, force: true }) } catch {}
         }
       }
       while (Atomics.load(swaps, 1) === 0) {
         renameSync(folder, aside)
         insist(() => symlinkSync(target, folder))
         Atomics.add(swaps, 0, 1)
         unlinkSync(folder)
         insist(() => renameSync(aside, folder))
       }`,
      {
        eval: true,
        workerData: { folder: at('a'), aside: at('aside'), target: outside(), swaps },
      },
    )
    const ended = once(swapper, 'exit')
    const outcomes = new Map<string, number>()
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      const outcome = await work().then(
        () => 'done',
        error => (isStorageError(error) ? error.name : Promise.reject(error)),
      )
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    // How soon depends on what else the machine does.
    const bothMet = (): boolean =>
      (outcomes.get('done') ?? 0) > 100 && (outcomes.get('SuspiciousFileOperation') ?? 0) > 10
    const overwriting = new FileSystemStorage({ location, fileOverwrite: true })
    try {
      await vi.waitUntil(() => Atomics.load(swaps, 0) > 0)
      for (let turn = 0; turn < 500 || (turn < 5000 && !bothMet()); turn++) {
        await attempt(() => overwriting.save('a/file.txt', 'public'))
        await attempt(async () => {
          const file = await storage.open('a/file.txt', 'r')
          expect(await file.read()).toBe('public')
        })
        await attempt(() => storage.save('a/deep/er/new.txt', new Blob(['public'])))
        await attempt(() => storage.delete('a/victim.txt'))
        await attempt(() => overwriting.copy('a/file.txt', 'a/copy.txt'))
        await attempt(async () => {
          expect(await listed('a', false)).not.toContain('a/victim.txt')
        })
      }
    } finally {
      Atomics.store(swaps, 1, 1)
      await ended
    }

    expect(await readdir(outside())).toEqual(['file.txt', 'victim.txt'])
    expect(await readFile(outside('file.txt'), 'utf8')).toBe('secret')
    // The race took place: both sides of it were met.
    expect(bothMet()).toBe(true)
    expect(openDescriptors()).toEqual([])
  }, 120_000)
})

describe('names', () => {
  it('of our own files are refused, missing and not listed', async () => {
    const name = temporaryName()
    await expect(storage.save(name, 'x')).rejects.toThrow(SuspiciousFileOperation)
    await expect(storage.save(`${name}/x`, 'x')).rejects.toThrow(SuspiciousFileOperation)
    await storage.save('x', 'x')
    await expect(storage.copy('x', name)).rejects.toThrow(SuspiciousFileOperation)
    await writeFile(at(name), 'x')

    expect(await storage.exists(name)).toBe(false)
    await storage.delete(name)
    expect(await readdir(location)).toContain(name)
    expect(await listed()).toEqual(['x'])
  })

  it('that no file can have are refused or missing without any I/O', async () => {
    for (const name of ['a\\b', 'C:x', 'c:/x']) {
      await expect(storage.save(name, 'x')).rejects.toThrow(SuspiciousFileOperation)
      await expect(storage.exists(name)).rejects.toThrow(SuspiciousFileOperation)
      await expect(storage.url(name)).rejects.toThrow(SuspiciousFileOperation)
      expect(() => storage.path(name)).toThrow(SuspiciousFileOperation)
    }
    await storage.save('a/b', 'x')
    for (const name of ['a//b', 'a/b/', 'a/', `${'x'.repeat(256)}`, `a/b/${'x/'.repeat(900)}y`]) {
      expect(await storage.exists(name)).toBe(false)
      await storage.delete(name)
    }
    expect(await storage.exists('a/b')).toBe(true)
    expect(() => storage.path('a//b')).toThrow(SuspiciousFileOperation)
  })

  it('that are not UTF-8 or hold a backslash are not listed', async () => {
    await storage.save('ok\ufffd.txt', 'x')
    writeFileSync(Buffer.concat([Buffer.from(at('bad')), Buffer.from([0xff])]), 'x')
    writeFileSync(
      Buffer.concat([Buffer.from(at('ok')), Buffer.from([0xff]), Buffer.from('.txt')]),
      'y',
    )
    await writeFile(at('back\\slash'), 'x')
    expect(await storage.listdir('')).toEqual([[], ['ok\ufffd.txt']])
  })
})

describe('what is no file', () => {
  it('is neither opened, listed, removed nor replaced', async () => {
    await storage.save('file', 'x')
    execFileSync('mkfifo', [at('pipe')])
    await mkdir(at('folder'))
    for (const name of ['pipe', 'folder']) {
      await expect(storage.open(name)).rejects.toThrow(FileNotFoundError)
      await expect(storage.stat(name)).rejects.toThrow(FileNotFoundError)
      await expect(storage.copy(name, 'copy')).rejects.toThrow(FileNotFoundError)
      await expect(storage.move(name, 'moved')).rejects.toThrow(FileNotFoundError)
      await storage.delete(name)
      await expect(storage.save(name, 'x', { overwrite: true })).rejects.toThrow(FileExistsError)
      expect(await storage.save(name, 'x')).not.toBe(name)
    }
    expect((await lstat(at('pipe'))).isFIFO()).toBe(true)
    expect((await storage.listdir(''))[1]).not.toContain('pipe')
    expect((await storage.listdir(''))[0]).toEqual(['folder'])
  })

  it('cannot be a parent', async () => {
    await storage.save('file', 'x')
    await symlink('nowhere', at('dead'))
    await expect(storage.save('file/below', 'y')).rejects.toThrow(FileExistsError)
    await expect(storage.save('dead/below', 'y')).rejects.toThrow(FileExistsError)
    await expect(storage.save('file/below/deep', 'y', { ifMatch: 'x' })).rejects.toThrow(
      PreconditionFailedError,
    )
  })
})

describe('a save', () => {
  it('leaves no folder behind when its content fails', async () => {
    await storage.save('kept/file', 'x')
    async function* broken(): AsyncGenerator<string> {
      yield 'some'
      throw new RangeError('broken')
    }
    await expect(storage.save('kept/new/er/file', broken())).rejects.toThrow(RangeError)
    expect(await readdir(location, { recursive: true })).toEqual(['kept', 'kept/file'])
  })

  it('stores nothing when its memory is given away while it is written', async () => {
    const bytes = new Uint8Array(3 * 1024 * 1024)
    const onProgress = (): void => {
      if (bytes.byteLength > 0) structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    }
    await expect(storage.save('a', bytes, { onProgress })).rejects.toThrow(ValidationError)
    expect(await readdir(location)).toEqual([])
  })

  it('makes folders again that somebody else removes at that moment', async () => {
    await mkdir(location)
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const remover = new Worker(
      `const { rmdirSync } = require('node:fs')
       const { workerData: { folders, stop } } = require('node:worker_threads')
       while (Atomics.load(stop, 0) === 0)
         for (const folder of folders) try { rmdirSync(folder) } catch {}`,
      { eval: true, workerData: { folders: [at('a/b'), at('a')], stop } },
    )
    const ended = once(remover, 'exit')
    try {
      for (let turn = 0; turn < 300; turn++) {
        await storage.save('a/b/file', 'x')
        await storage.delete('a/b/file')
      }
    } finally {
      Atomics.store(stop, 0, 1)
      await ended
    }
  })

  it('whose folder is moved out of the root meanwhile is refused', async () => {
    await mkdir(outside(), { recursive: true })
    await storage.save('a/old', 'x')
    async function* moving(): AsyncGenerator<string> {
      yield 'some'
      await rename(at('a'), outside('a'))
      yield 'more'
    }
    await expect(storage.save('a/new', moving())).rejects.toThrow(SuspiciousFileOperation)
    expect(await readdir(outside('a'))).toEqual(['old'])
  })

  it('whose folder is removed with everything in it is repeated if the content can be', async () => {
    await mkdir(at('a'), { recursive: true })
    let removed = false
    const blob = new Blob(['x'.repeat(100_000)])
    await storage.save('a/file', blob, {
      onProgress: () => {
        if (removed) return
        removed = true
        execFileSync('rm', ['-rf', at('a')])
      },
    })
    expect((await stat(at('a/file'))).size).toBe(100_000)

    async function* single(): AsyncGenerator<string> {
      yield 'some'
      await rm(at('b'), { recursive: true })
    }
    await expect(storage.save('b/file', single())).rejects.toThrow(UnavailableError)
  })

  it.each([
    ['removed', false],
    ['removed and made again', true],
  ])('whose location is %s is repeated if the content can be', async (_, again) => {
    const replaceRoot = (): void => {
      execFileSync('rm', ['-rf', location])
      if (again) execFileSync('mkdir', [location])
    }
    let replaced = false
    const onProgress = (): void => {
      if (!replaced) replaceRoot()
      replaced = true
    }
    expect(await storage.save('file', new Uint8Array(100_000), { onProgress })).toBe('file')
    expect((await stat(at('file'))).size).toBe(100_000)

    async function* single(): AsyncGenerator<string> {
      yield 'some'
      replaceRoot()
    }
    await expect(storage.save('other', single())).rejects.toThrow(UnavailableError)
    expect(await storage.save('other', 'x')).toBe('other')
  })

  it('changes the etag each time, and a read notices', async () => {
    const etags = new Set<string | undefined>()
    for (let turn = 0; turn < 300; turn++) {
      await storage.save('file', String(turn % 10), { overwrite: true })
      etags.add((await storage.stat('file')).etag)
    }
    expect(etags.size).toBe(300)

    const file = await storage.file('file')
    await storage.save('file', '9', { overwrite: true })
    await expect(file.text()).rejects.toThrow(FileChangedError)
  })

  it('syncs to the disk when it is told to', async () => {
    const durable = new FileSystemStorage({ location, fsync: true })
    await durable.save('a/b/file', 'x')
    await durable.copy('a/b/file', 'c/copy')
    await durable.move('c/copy', 'd/moved')
    expect(await listed()).toEqual(['a/b/file', 'd/moved'])
  })
})

describe('a move', () => {
  it('keeps the permissions and the version', async () => {
    await storage.save('a', 'x')
    await chmod(at('a'), 0o600)
    const before = await storage.stat('a')
    await storage.move('a', 'b/c')
    expect((await stat(at('b/c'))).mode & 0o7777).toBe(0o600)
    expect((await storage.stat('b/c')).etag).toBe(before.etag)
  })

  it('removes the old name also where both are the same file', async () => {
    await storage.save('a', 'x')
    await link(at('a'), at('b'))
    const overwriting = new FileSystemStorage({ location, fileOverwrite: true })
    await overwriting.move('a', 'b')
    expect(await listed()).toEqual(['b'])
  })
})

describe('descriptors', () => {
  it('are closed whatever happens', async () => {
    await storage.save('a/large', new Uint8Array(3_000_000))
    const { backend } = storage
    const read = () => backend.read('a/large' as Name, {})

    for await (const chunk of (await read()).body.chunks()) if (chunk.byteLength > 0) break
    ;(await read()).body.cancel()
    await (await read()).body.bytes()
    const controller = new AbortController()
    const aborted = await backend.read('a/large' as Name, { signal: controller.signal })
    const chunks = aborted.body.chunks()[Symbol.asyncIterator]()
    await chunks.next()
    expect(openDescriptors()).toEqual([at('a/large')])
    controller.abort(new Error('enough'))
    expect(openDescriptors()).toEqual([])
    await expect(chunks.next()).rejects.toThrow('enough')
    await expect(backend.read('a/large' as Name, { ifMatch: 'other' })).rejects.toThrow(
      PreconditionFailedError,
    )
    for await (const _file of storage.list('', { recursive: true })) break

    expect(openDescriptors()).toEqual([])
  })

  it('of a file that shrinks while it is read give no wrong bytes', async () => {
    await storage.save('large', new Uint8Array(1_000_000))
    const { body } = await storage.backend.read('large' as Name, {})
    const file = await openFile(at('large'), 'r+')
    await file.truncate(500_000)
    await file.close()
    await expect(body.bytes()).rejects.toThrow(FileChangedError)
    expect(openDescriptors()).toEqual([])
  })
})

describe('cleanupUploads', () => {
  it('removes what is old and nothing else', async () => {
    await storage.save('a/b/file', 'x')
    const [old, young, top] = [temporaryName(), temporaryName(), temporaryName()]
    for (const path of [at('a/b', old), at('a/b', young), at(top)]) await writeFile(path, 'x')
    await writeFile(at('.stowage-notes'), 'x')
    const yesterday = Date.now() / 1000 - 90_000
    for (const path of [at('a/b', old), at(top), at('a/b/file')])
      await utimes(path, yesterday, yesterday)

    expect(await storage.cleanupUploads()).toEqual([top, `a/b/${old}`].sort())
    expect((await readdir(at('a/b'))).sort()).toEqual([young, 'file'].sort())
    expect(await listed()).toEqual(['.stowage-notes', 'a/b/file'])
  })

  it('has nothing to do where there is no folder yet', async () => {
    expect(await storage.cleanupUploads({ olderThan: 0 })).toEqual([])
  })
})

describe('settings', () => {
  it('are asked for at the first use that needs them', async () => {
    const empty = new FileSystemStorage({})
    for (const use of [
      () => empty.save('a', 'x'),
      () => empty.exists('a'),
      () => empty.listdir(''),
    ])
      await expect(use()).rejects.toMatchObject({
        name: 'ImproperlyConfigured',
        setting: 'location',
      })
    expect(() => empty.path('a')).toThrow(ImproperlyConfigured)
    await expect(empty.url('a')).rejects.toMatchObject({ setting: 'baseUrl' })
  })

  it.each<[problem: string, make: () => unknown]>([
    ['is a file', () => writeFile(location, 'x')],
    ['is a file', () => execFileSync('mkfifo', [location])],
    ['is a link that leads nowhere', () => symlink(join(base, 'nowhere'), location)],
    ['is a link that leads nowhere', () => symlink(location, location)],
  ])('name a location that %s', async (problem, make) => {
    await make()
    for (const work of [() => storage.save('a', 'x'), () => storage.save('a/b', new Blob(['x']))]) {
      await expect(work()).rejects.toMatchObject({
        name: 'ImproperlyConfigured',
        setting: 'location',
        message: expect.stringContaining(`${problem}: ${location}`),
      })
    }
  })

  it('name a location below a file', async () => {
    await writeFile(location, 'x')
    const below = new FileSystemStorage({ location: at('below') })
    await expect(below.save('a', 'x')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      message: expect.stringContaining('lies below a file'),
    })
  })

  it('are checked when they are given', () => {
    for (const wrong of ['', '~', '~/media', 'file:///srv/media', 'a\0b'])
      expect(() => new FileSystemStorage({ location: wrong })).toThrow(ImproperlyConfigured)
    expect(() => new FileSystemStorage({ location: '~media' })).not.toThrow()
    expect(() => new FileSystemStorage({ filePermissionsMode: 0o10000 })).toThrow(
      ImproperlyConfigured,
    )
  })

  it('take a relative location from the working directory at construction', async () => {
    const before = process.cwd()
    process.chdir(base)
    try {
      const relative = new FileSystemStorage({ location: 'media' })
      process.chdir('/')
      expect(relative.path('a')).toBe(join(base, 'media/a'))
    } finally {
      process.chdir(before)
    }
  })

  it('make URLs as Django does', async () => {
    expect(await storage.url('a b/ü.txt')).toBe('/media/a%20b/%C3%BC.txt')
    expect(await storage.url('a', { parameters: { v: 1, q: 'ä b' }, expiresIn: 5 })).toBe(
      '/media/a?v=1&q=%C3%A4+b',
    )
    await expect(storage.url('a', { method: 'PUT' })).rejects.toThrow(UnsupportedError)
    await expect(storage.url('a', { download: true })).rejects.toThrow(UnsupportedError)
  })
})

describe('a folder', () => {
  it('is there for listdir also when it is empty', async () => {
    await mkdir(at('empty'), { recursive: true })
    expect(await storage.listdir('empty')).toEqual([[], []])
    await rmdir(at('empty'))
    await expect(storage.listdir('empty')).rejects.toThrow(FileNotFoundError)
    await storage.save('file', 'x')
    await expect(storage.listdir('file')).rejects.toThrow(FileNotFoundError)
    await unlink(at('file'))
  })

  it('is listed in the order of the bytes of the whole names', async () => {
    const names = ['a!', 'a-b', 'a.txt', 'a/x', 'a/x/y', 'a0', '\uff5e', '\u{1f600}'].filter(
      name => name !== 'a/x',
    )
    for (const name of names.toReversed()) await storage.save(name, 'x')
    expect(await listed()).toEqual(names)
  })
})
