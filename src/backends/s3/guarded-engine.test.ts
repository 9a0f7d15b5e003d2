import { describe, expect, it } from 'vitest'
import type { WriteCondition } from '../../core/backend.ts'
import { FileNotFoundError, PreconditionFailedError } from '../../core/errors.ts'
import type { S3Engine } from './engine.ts'
import { guardConditions } from './guarded-engine.ts'
import { profiles } from './profiles.ts'

const noBytes = new Uint8Array(0)

/** A service that ignores conditions, and answers when the test says so. */
class Ignoring {
  /** Entity tags by key. */
  readonly objects = new Map<string, string>()
  readonly conditions: WriteCondition[] = []
  heads = 0
  #writes = 0
  readonly engine: S3Engine

  constructor() {
    const write = async (key: string, condition: WriteCondition): Promise<void> => {
      this.conditions.push(condition)
      await turn()
      this.objects.set(key, `v${++this.#writes}`)
    }
    const parts: Partial<S3Engine> = {
      headObject: async key => {
        this.heads++
        await turn()
        const etag = this.objects.get(key)
        if (etag === undefined) throw new FileNotFoundError('gone')
        return { size: 0, modifiedTime: new Date(0), etag }
      },
      putObject: (key, _body, { condition }) => write(key, condition),
      putStream: (key, _content, { condition }) => write(key, condition),
      completeUpload: (key, _id, _parts, { condition }) => write(key, condition),
    }
    this.engine = parts as S3Engine
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function put(engine: S3Engine, condition: WriteCondition, signal?: AbortSignal): Promise<void> {
  return engine.putObject('a', noBytes, { parameters: {}, condition, signal })
}

describe('guardConditions', () => {
  it.each(['aws', 'r2', 'minio', 'generic'] as const)('leaves an engine for %s alone', name => {
    const { engine } = new Ignoring()
    expect(guardConditions(engine, profiles[name].conditions)).toBe(engine)
  })

  it.each(['b2', 'gcs', 'supabase'] as const)('sends %s no condition', async name => {
    const service = new Ignoring()
    const engine = guardConditions(service.engine, profiles[name].conditions)
    await put(engine, 'absent')
    await put(engine, { ifMatch: 'v1' })
    await engine.completeUpload('b', 'id', [], { condition: 'absent', signal: undefined })
    const stream = { size: 0, replayable: true, async *chunks() {} }
    await engine.putStream('c', stream, { parameters: {}, condition: 'absent', signal: undefined })
    expect(service.conditions).toEqual([undefined, undefined, undefined, undefined])
  })

  it('leaves to Ceph what Ceph looks at, and looks itself where Ceph does not', async () => {
    const service = new Ignoring()
    const engine = guardConditions(service.engine, profiles.ceph.conditions)
    await put(engine, 'absent')
    expect(service.conditions).toEqual(['absent'])
    expect(service.heads).toBe(0)
    const completing = engine.completeUpload('a', 'id', [], {
      condition: 'absent',
      signal: undefined,
    })
    await expect(completing).rejects.toThrow(PreconditionFailedError)
  })

  it('asks for nothing where there is no condition', async () => {
    const service = new Ignoring()
    await put(guardConditions(service.engine, profiles.b2.conditions), undefined)
    expect(service.heads).toBe(0)
  })

  it('keeps a name that is taken, and a version that is another', async () => {
    const service = new Ignoring()
    const engine = guardConditions(service.engine, profiles.gcs.conditions)
    service.objects.set('a', 'old')
    await expect(put(engine, 'absent')).rejects.toThrow(PreconditionFailedError)
    await expect(put(engine, { ifMatch: 'other' })).rejects.toThrow(PreconditionFailedError)
    expect(service.objects.get('a')).toBe('old')
    await put(engine, { ifMatch: 'old' })
    expect(service.objects.get('a')).toBe('v1')
    service.objects.clear()
    await expect(put(engine, { ifMatch: 'v1' })).rejects.toThrow(PreconditionFailedError)
    expect(service.objects.size).toBe(0)
  })

  it('lets one of many writers have a name, or replace a version', async () => {
    const service = new Ignoring()
    const engine = guardConditions(service.engine, profiles.gcs.conditions)
    const race = async (condition: WriteCondition): Promise<number> => {
      const writers = Array.from({ length: 50 }, () => put(engine, condition))
      const results = await Promise.allSettled(writers)
      return results.filter(({ status }) => status === 'fulfilled').length
    }
    expect(await race('absent')).toBe(1)
    expect(await race({ ifMatch: 'v1' })).toBe(1)
  })

  it('lets a writer give up waiting, and those behind it still wait', async () => {
    const service = new Ignoring()
    const engine = guardConditions(service.engine, profiles.gcs.conditions)
    const first = put(engine, 'absent')
    const cancel = new AbortController()
    const second = put(engine, 'absent', cancel.signal)
    const reason = new Error('enough')
    cancel.abort(reason)
    await expect(second).rejects.toBe(reason)
    const third = put(engine, 'absent')
    await first
    await expect(third).rejects.toThrow(PreconditionFailedError)
    expect(service.conditions).toHaveLength(1)
  })

  it('goes on after a writer that failed', async () => {
    const service = new Ignoring()
    service.objects.set('a', 'old')
    const engine = guardConditions(service.engine, profiles.gcs.conditions)
    const failed = expect(put(engine, 'absent')).rejects.toThrow()
    const next = put(engine, { ifMatch: 'old' })
    await failed
    await next
    expect(service.objects.get('a')).toBe('v1')
  })
})
