import { closeSync, readFileSync, readSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SuspiciousFileOperation } from '../../core/errors.ts'
import { Root } from './root.ts'

let base = ''
let location = ''

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'stowage-root-')))
  location = join(base, 'root')
  await mkdir(join(location, 'a/b'), { recursive: true })
  await mkdir(join(base, 'outside/b'), { recursive: true })
  await writeFile(join(location, 'a/file.txt'), 'inside')
  await writeFile(join(base, 'outside/file.txt'), 'outside')
})

afterEach(() => rm(base, { recursive: true, force: true }))

// Linux holds by descriptor; the other way is what every other system uses, and works there, too.
describe.each([
  ['where the system gives paths of descriptors', undefined],
  ['where it does not', false],
])('a root, %s,', (_where, descriptors) => {
  const open = (): Root => new Root(location, descriptors)

  function text(name: string): string {
    const held = open().hold(name)
    const fd = held.open()
    try {
      const bytes = Buffer.alloc(20)
      return bytes.toString('utf8', 0, readSync(fd, bytes))
    } finally {
      closeSync(fd)
      held.close()
    }
  }

  it('holds files and folders below it, and itself', () => {
    expect(text('a/file.txt')).toBe('inside')
    for (const name of ['', 'a', 'a/b']) {
      const held = open().hold(name, 'folder')
      expect(held.stat().isDirectory()).toBe(true)
      held.close()
    }
  })

  it('follows links that stay inside, also through a link to the root', async () => {
    await symlink('a/file.txt', join(location, 'near'))
    await symlink(join(location, 'a'), join(location, 'folder'))
    await symlink(location, join(base, 'link'))

    expect(text('near')).toBe('inside')
    expect(text('folder/file.txt')).toBe('inside')
    location = join(base, 'link')
    expect(text('folder/file.txt')).toBe('inside')
  })

  it.each(['out', 'out/b', 'out/file.txt', 'file', 'up', 'a/up/outside/file.txt'])(
    'refuses %s, which leads outside',
    async name => {
      await symlink('../outside', join(location, 'out'))
      await symlink(join(base, 'outside/file.txt'), join(location, 'file'))
      await symlink('..', join(location, 'up'))
      await symlink('../..', join(location, 'a/up'))

      expect(() => open().hold(name)).toThrow(SuspiciousFileOperation)
      expect(() => open().find(name)).toThrow(SuspiciousFileOperation)
    },
  )

  it('refuses a folder beside it whose name begins like its own', async () => {
    await mkdir(`${location}-2`)
    await symlink(`${location}-2`, join(location, 'sibling'))
    expect(() => open().hold('sibling')).toThrow(SuspiciousFileOperation)
  })

  it('tells a dead link that would lead outside from one that is just dead', async () => {
    await symlink('../outside/nothing', join(location, 'a/dead'))
    await symlink('../../outside/nothing', join(location, 'a/out'))
    expect(open().find('a/dead')).toBeUndefined()
    expect(() => open().find('a/out')).toThrow(SuspiciousFileOperation)
    expect(open().find('a/none')).toBeUndefined()
    expect(open().find('a/file.txt/none')).toBeUndefined()
  })

  it('takes no file for a folder', () => {
    expect(() => open().hold('a/file.txt', 'folder')).toThrow(/ENOTDIR/)
  })

  it('goes on when a deployment points it elsewhere', async () => {
    const other = join(base, 'outside')
    const current = join(base, 'current')
    await symlink(location, current)
    const root = new Root(current, descriptors)
    root.hold('a').close()
    await unlink(current)
    await symlink(other, current)

    const held = root.hold('file.txt')
    expect(readFileSync(held.path, 'utf8')).toBe('outside')
    held.close()
    expect(root.find('a')).toBeUndefined()
  })

  it('notices that a held folder was moved out', async () => {
    const held = open().hold('a', 'folder')
    held.check()
    await rename(join(location, 'a'), join(base, 'outside/a'))
    await symlink('../outside/a', join(location, 'a'))
    expect(() => held.check()).toThrow(SuspiciousFileOperation)
    held.close()
  })
})
