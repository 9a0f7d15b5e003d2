import { hasCode, isStorageError } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import { hasManifest, manifestKey } from '../static/static-manifest.ts'
import { adviceOn, problemOf } from './advice.ts'
import type { Findings, Step } from './diagnosis.ts'

/** Words for what is needed, by the kind of storage. */
export interface Permissions {
  readonly write: string
  readonly read: string
  readonly list: string
  readonly delete: string
}

export interface FileCheckOptions {
  readonly storage: Storage
  readonly findings: Findings
  readonly permissions: Permissions
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly signal: AbortSignal
}

/** What is written; enough to tell it from anything else. */
const content = 'Written by stowage doctor, which removes it again.\n'

/**
 * What any storage can be asked: writes one file of its own, reads it, lists it, and in the end
 * removes it, whatever happened between.
 */
export class FileChecks {
  /** Name of the file, once it was written. */
  name: string | undefined
  readonly #options: FileCheckOptions
  /** What else a check may have left. */
  readonly #others = new Set<string>()

  constructor(options: FileCheckOptions) {
    this.#options = options
  }

  /** Whether there is a file now. */
  async write(): Promise<boolean> {
    const { storage, findings, permissions } = this.#options
    return await this.#try('write', permissions.write, async signal => {
      this.name = await storage.save(newName(storage), content, { overwrite: false, signal })
      findings.ok('write', 'A file can be written.')
    })
  }

  async read(): Promise<void> {
    const { storage, findings, permissions } = this.#options
    await this.#try('read', permissions.read, async signal => {
      const text = await (await storage.file(this.#written, { signal })).text()
      if (text === content) findings.ok('read', 'What was written is read.')
      else findings.fail('read', 'Something else is read than was written.', changes)
    })
  }

  async list(): Promise<void> {
    const { storage, findings, permissions } = this.#options
    await this.#try('list', permissions.list, async signal => {
      const folder = this.#written.slice(0, this.#written.lastIndexOf('/') + 1)
      for await (const { name } of storage.list(folder, { signal })) {
        if (name === this.#written) return findings.ok('list', 'What was written is listed.')
      }
      findings.fail(
        'list',
        'What was written is not listed.',
        'The service lists late, or not at all: do not rely on list and listdir there.',
      )
    })
  }

  /** Whether a save that may not overwrite finds another name, and one with `ifMatch` its version. */
  async conditionalWrite(): Promise<void> {
    const { storage, findings, permissions } = this.#options
    await this.#try('conditional write', permissions.write, async signal => {
      const other = await storage.save(this.#written, 'other', { overwrite: false, signal })
      this.#others.add(other)
      const kept = await (await storage.file(this.#written, { signal })).text()
      if (other === this.#written || kept !== content)
        return findings.fail('conditional write', 'A save replaced a file that was there.', lost)
      if (storage.backend.capabilities.ifMatch) await this.#ifMatch(signal)
      if (!findings.has('conditional write'))
        findings.ok('conditional write', 'A name that is taken is kept; another one is chosen.')
    })
  }

  async url(): Promise<void> {
    const { storage, findings, fetch } = this.#options
    await this.#try('url', 'reading by URL', async signal => {
      // A manifest knows the URLs of what was collected, and no file of the doctor's.
      const url = hasManifest(storage)
        ? await storage[manifestKey].plainUrl(this.#written, { signal })
        : await storage.url(this.#written, { signal })
      if (!/^https?:/.test(url))
        return findings.skip(
          'url',
          `URLs are paths (${url.split('?')[0]}): your server has to serve them.`,
        )
      const headers = signedHeaders(url)
      if (headers.length > 0)
        return findings.skip(
          'url',
          `URLs work only together with headers that a browser does not send: ${headers.join(', ')}.`,
        )
      const response = await fetch(url, { signal, redirect: 'follow' })
      const text = await textOf(response)
      if (response.ok && text === content) return findings.ok('url', 'The URL of a file gives it.')
      findings.fail('url', `The URL of a file gives ${describe(response, text)}.`, urlAdvice(url))
    })
  }

  /** Removes what was written. To be called in any case. */
  async remove(signal: AbortSignal): Promise<void> {
    const { storage, findings, permissions } = this.#options
    const names = [...this.#others, ...(this.name === undefined ? [] : [this.name])]
    if (names.length === 0) return
    try {
      await storage.deleteMany(names, { signal })
      if (await storage.exists(names[0] ?? '', { signal }))
        findings.fail('delete', 'What was deleted is still there.', `Delete ${names.join(', ')}.`)
      else findings.ok('delete', 'What was written is deleted again.')
    } catch (error) {
      const first = (isStorageError(error) ? error.errors?.[0] : undefined) ?? error
      const advice = `${adviceOn(first, permissions.delete)} Delete what may remain: ${names.join(', ')}.`
      findings.fail('delete', problemOf(first), advice)
    }
  }

  get #written(): string {
    if (this.name === undefined) throw new Error('nothing was written')
    return this.name
  }

  async #ifMatch(signal: AbortSignal): Promise<void> {
    const { storage, findings } = this.#options
    const { etag } = await storage.stat(this.#written, { signal })
    if (etag === undefined) return
    await storage.save(this.#written, content, { ifMatch: etag, signal })
    try {
      await storage.save(this.#written, content, { ifMatch: 'another-version', signal })
      findings.fail('conditional write', 'A save with "ifMatch" replaced another version.', lost)
    } catch (error) {
      if (!hasCode(error, 'ERR_STORAGE_PRECONDITION_FAILED')) throw error
    }
  }

  /** Whether `work` got through; what it throws is a finding. */
  async #try(
    step: Step,
    permission: string,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const { findings, signal } = this.#options
    try {
      await work(signal)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (hasCode(error, 'ERR_STORAGE_UNSUPPORTED') || lacksBaseUrl(error))
        findings.skip(step, problemOf(error))
      else findings.fail(step, problemOf(error), adviceOn(error, permission))
      return false
    }
  }
}

/** A storage without URLs is none that is wrong. */
function lacksBaseUrl(error: unknown): boolean {
  return hasCode(error, 'ERR_STORAGE_IMPROPERLY_CONFIGURED') && error.setting === 'baseUrl'
}

const changes =
  'Something between here and the service changes files: look at proxies and gateways.'

const lost =
  'Of two saves with one name, one is lost there. Set "profile" to what the service is (docs/providers.md), or save under names that nobody else has.'

/** A folder of its own where folders vanish with their files; a file at the root elsewhere. */
function newName(storage: Storage): string {
  const id = `stowage-doctor-${crypto.randomUUID().slice(0, 8)}`
  return storage.backend.capabilities.absentFolder === 'empty' ? `${id}/probe.txt` : `${id}.txt`
}

/** The beginning of a body, of which nobody knows how long it is. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (reader !== undefined && text.length < 4096) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  await reader?.cancel()
  return text
}

function describe(response: Response, text: string): string {
  const code = /<Code>(\w{1,60})<\/Code>/.exec(text)?.[1]
  const status = `status ${response.status}${code === undefined ? '' : ` (${code})`}`
  return response.ok ? `something else (${status})` : status
}

/** Names of the headers that have to be sent with a signed URL. */
function signedHeaders(url: string): string[] {
  const names = new URL(url).searchParams.get('X-Amz-SignedHeaders') ?? ''
  return names.split(';').filter(name => name !== '' && name !== 'host')
}

function urlAdvice(url: string): string {
  return url.includes('X-Amz-Signature=')
    ? 'Signed URLs need the right clock, region and host: see the checks above, and whether something in front of the service changes paths or queries.'
    : 'URLs are not signed here: make the files public, or let "querystringAuth" be true and give no "customDomain".'
}
