import { expect } from 'vitest'
import type { S3StorageOptions } from '../../src/backends/s3/options.ts'
import { FileChangedError, FileNotFoundError } from '../../src/core/errors.ts'
import type { Storage } from '../../src/core/storage.ts'
import { allFaults } from '../../src/testing/fault-proxy/fault-schedule.ts'
import type { ProxyFault } from '../../src/testing/fault-proxy/proxy-fault.ts'
import { lessHaste, type Stage } from './stage.ts'

export const mebi: number = 1024 * 1024
export const multipart: S3StorageOptions = {
  transferConfig: { partSize: 5 * mebi, multipartThreshold: 5 * mebi },
}

export const old: Uint8Array = pattern(2_000, 1)
export const small: Uint8Array = pattern(40_000, 2)
export const large: Uint8Array = pattern(5 * mebi + 3_000, 3)

const corrupt = { kind: 'corrupt', at: 'request-body' } as const

/** What a save may meet. For the sake of time few large ones stall: see `lessHaste`. */
export function faultsOfSaves(stage: Stage, size: number): readonly ProxyFault[] {
  const stalls = size < mebi || stage.seed % 8 === 3
  const faults = stalls ? allFaults : allFaults.filter(({ kind }) => kind !== 'stall')
  return [...faults, corrupt, corrupt]
}

/** Saves over an old file, beside it under another name, or where nothing is. */
export async function saves(stage: Stage, content: Uint8Array): Promise<void> {
  const way = (['replace', 'beside', 'new'] as const)[stage.pick(3, 2)] ?? 'new'
  const direct = stage.direct()
  if (way !== 'new') await direct.save('a', old)
  const source = stage.pick(2, 3) === 0 ? content : () => chunksOf(content)
  const outcome = await stage.meet(
    (storage, signal) =>
      storage.save('a', typeof source === 'function' ? source() : source, {
        overwrite: way === 'replace',
        signal,
      }),
    content === large ? { ...multipart, ...lessHaste } : multipart,
    faultsOfSaves(stage, content.byteLength),
  )
  const allowed = way === 'new' ? [content] : [content, old]
  const found = await checkWhole(direct, allowed)
  if (outcome.ok) expect(found.length, 'files').toBe(way === 'beside' ? 2 : 1)
  if (outcome.ok)
    expect(same(await read(direct, outcome.value), content), 'the bytes that were stored').toBe(
      true,
    )
  if (way === 'beside') expect(same(await read(direct, 'a'), old), 'the old file').toBe(true)
  for await (const { name } of direct.list()) await direct.delete(name)
}

/** Everything that is stored; each must be one of the contents that were meant. */
export async function checkWhole(
  direct: Storage,
  allowed: readonly Uint8Array[],
): Promise<(Uint8Array | undefined)[]> {
  const found: (Uint8Array | undefined)[] = []
  for await (const { name } of direct.list()) {
    const bytes = await read(direct, name)
    found.push(bytes)
    expect(
      allowed.some(content => same(bytes, content)),
      `${name} is whole`,
    ).toBe(true)
  }
  return found
}

/** What is stored. A request whose client has left may be carried out a moment later. */
export async function read(storage: Storage, name: string): Promise<Uint8Array | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await (await storage.file(name)).bytes()
    } catch (error) {
      if (error instanceof FileNotFoundError) return undefined
      if (!(error instanceof FileChangedError) || attempt === 10) throw error
    }
  }
}

async function* chunksOf(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += 700_000) yield content.subarray(at, at + 700_000)
}

export function pattern(length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * salt + salt) & 0xff
  return bytes
}

export function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0
}
