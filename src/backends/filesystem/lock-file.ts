import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../core/errors.ts'
import { lockName } from './disk-names.ts'
import { errnoOf } from './fs-errors.ts'
import { fs } from './node.ts'
import type { HeldPath } from './root.ts'

/** How long to wait for a lock, in milliseconds. It is held for some file system calls only. */
const patience = 10_000
/** Longest pause between two attempts, in milliseconds. */
const longestPause = 20
/**
 * Age in milliseconds from which a lock whose owner cannot be asked after (another machine on the
 * same network file system, or a process that died before it wrote its name) counts as left behind.
 */
const lease = 60_000
/** Locks that may lie on each other: one per process that died while it removed a dead one's. */
const maxDepth = 8

/** Who holds a lock. */
interface Owner {
  /** Machine, boot and process namespace: where `pid` means something. */
  readonly host: string
  readonly pid: number
  /** When the process started, so that a pid given out again is not taken for its owner. */
  readonly started: string
  /** Makes every lock another one. */
  readonly id: string
}

/** A lock as it was found. */
interface Lock {
  readonly text: string
  /** Tells this lock from later ones of the same name. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly created: number
}

/**
 * Runs `work`, which must not wait for anything, while no other process runs work for the same
 * `subject` in this folder. What a dead process left locked is taken over.
 *
 * @throws UnavailableError when the lock does not come free in ten seconds
 */
export async function withLock<T>(
  folder: HeldPath,
  subject: string,
  work: () => T,
  signal?: AbortSignal | undefined,
): Promise<T> {
  const path = folder.child(lockName(subject))
  const deadline = Date.now() + patience
  for (let pause = 1; ; pause = Math.min(pause * 2, longestPause)) {
    signal?.throwIfAborted()
    const own = createLock(path)
    if (own !== undefined) return runLocked(path, own, work)
    removeIfDead(folder, path, 0)
    if (Date.now() > deadline) throw heldTooLong()
    await sleep(pause * Math.random())
  }
}

function runLocked<T>(path: string, own: string, work: () => T): T {
  try {
    return work()
  } finally {
    if (readLock(path)?.text === own) unlinkIfThere(path)
  }
}

/** The new lock's text, `undefined` if there is one already. */
function createLock(path: string): string | undefined {
  const text = JSON.stringify(thisProcess())
  try {
    makeLock(path, text)
    return text
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return undefined
    throw error
  }
}

/**
 * A symbolic link to nowhere holds a text and is made with it in one step, as Emacs and Firefox
 * lock. A file is there for a moment without its text: killed in that moment, it stays for a
 * {@link lease}. So files serve only where there are no links.
 */
function makeLock(path: string, text: string): void {
  try {
    fs.symlinkSync(text, path)
  } catch (error) {
    if (!withoutLinks.has(errnoOf(error) ?? '')) throw error
    fs.writeFileSync(path, text, { flag: 'wx', mode: 0o644 })
  }
}

/** What is said where there are no symbolic links, or no right to make them (Windows). */
const withoutLinks: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'])

/**
 * Removes a lock whose owner is dead. Two processes that found the same dead lock must not remove
 * each other's next one, so the right to remove it is itself a lock, named after the dead one's id:
 * whoever gets it looks again, and removes the lock only if it is still that one. Nobody else may.
 */
function removeIfDead(folder: HeldPath, path: string, depth: number): void {
  const found = readLock(path)
  if (found === undefined || depth === maxDepth || !isDead(found)) return
  const right = folder.child(lockName(found.id))
  if (createLock(right) === undefined) {
    removeIfDead(folder, right, depth + 1)
    return
  }
  try {
    if (readLock(path)?.id === found.id) unlinkIfThere(path)
  } finally {
    unlinkIfThere(right)
  }
}

function readLock(path: string): Lock | undefined {
  try {
    const stat = fs.lstatSync(path, { bigint: true })
    const text = stat.isSymbolicLink() ? fs.readlinkSync(path) : fs.readFileSync(path, 'utf8')
    const { ino, mtimeNs } = stat
    return { text, id: text === '' ? `${ino}-${mtimeNs}` : text, created: Number(mtimeNs) / 1e6 }
  } catch (error) {
    // EINVAL: a file in the place of the link that was looked at.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EINVAL') return undefined
    throw error
  }
}

function isDead(lock: Lock): boolean {
  const owner = parseOwner(lock.text)
  const { host } = thisProcess()
  if (owner === undefined || owner.host !== host) return Date.now() - lock.created > lease
  return !isAlive(owner.pid) || startOf(owner.pid) !== owner.started
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { host, pid, started, id } = value as Partial<Record<keyof Owner, unknown>>
    if (typeof host !== 'string' || typeof pid !== 'number') return undefined
    if (typeof started !== 'string' || typeof id !== 'string') return undefined
    return { host, pid, started, id }
  } catch {
    return undefined
  }
}

function thisProcess(): Owner {
  const { pid } = process
  return { host: hostIdentity(), pid, started: startOf(pid), id: crypto.randomUUID() }
}

function hostIdentity(): string {
  const boot = readText('/proc/sys/kernel/random/boot_id').trim()
  return [
    process.getBuiltinModule('node:os').hostname(),
    boot,
    readLinkText('/proc/self/ns/pid'),
  ].join(' ')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'
  }
}

/**
 * When a process started, in ticks since the boot (`man 5 proc`, field 22 of `stat`); `dead` for
 * one that is killed but not yet waited for, and `''` where the system does not tell.
 */
function startOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`)
  // The second field is the program's name in brackets, and may hold blanks and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : (fields[19] ?? '')
}

function readText(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function readLinkText(path: string): string {
  try {
    return fs.readlinkSync(path)
  } catch {
    return ''
  }
}

function unlinkIfThere(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

function heldTooLong(): UnavailableError {
  return new UnavailableError(
    'Other conditional saves held the lock of this file for ten seconds: try again. cleanupUploads removes a lock that was left behind.',
  )
}
