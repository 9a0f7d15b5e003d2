import { contentTypeOf } from '../core/content-type.ts'
import type { SaveOptions } from '../core/storage.ts'
import { type Job, runAdaptively } from './adaptive-pool.ts'
import type { CollectSettings } from './collect-settings.ts'
import { compressBytes } from './delivery.ts'
import { md5 } from './digest.ts'
import type { HashedFiles } from './hash-files.ts'
import { type FileLinks, isLink, replaceLink } from './link-files.ts'
import { type CollectedState, type Manifest, sameManifest } from './manifest.ts'
import { checkUncontested, commitManifest } from './manifest-commit.ts'
import { prune } from './pruning.ts'
import { ReadBuffers } from './read-buffers.ts'
import { readAgain, readAgainInto, streamAgain, wholeLimit } from './source-file.ts'
import type { StaticManifest, StoredManifest } from './static-manifest.ts'
import type { Upload, UploadPlan } from './upload-plan.ts'

/** What a run has to do. */
export interface Publication {
  readonly settings: CollectSettings
  readonly collected: HashedFiles
  readonly plan: UploadPlan
  readonly before: StoredManifest
  /** The manifest to be put in force, without what is known only when all is stored. */
  readonly next: Manifest
  readonly deleted: readonly string[]
  readonly hashing: boolean
  readonly links: FileLinks | undefined
  readonly signal: AbortSignal | undefined
  readonly onProgress:
    | ((progress: { readonly done: number; readonly total: number }) => void)
    | undefined
}

/** Weight of a file that is sent in pieces: parts in flight, and what is read ahead. */
const streamWeight = 40 * 1024 * 1024

/**
 * Stores hashed files, then plain ones, then the manifest, and deletes last: wherever it dies, the
 * site that was in force before is whole.
 */
export async function publish(publication: Publication): Promise<void> {
  await new Publisher(publication).run()
}

class Publisher {
  readonly #publication: Publication
  readonly #manifest: StaticManifest | undefined
  readonly #stored: Record<string, CollectedState['stored'][string]>
  readonly #buffers = new ReadBuffers()
  #done = 0

  constructor(publication: Publication) {
    this.#publication = publication
    this.#manifest = publication.hashing ? publication.settings.manifest : undefined
    this.#stored = { ...publication.plan.known }
  }

  async run(): Promise<void> {
    const { plan, before, deleted, signal, settings } = this.#publication
    await this.#upload(plan.hashed)
    if (this.#manifest !== undefined && plan.plain.length > 0)
      await checkUncontested(this.#manifest, before, signal)
    await this.#upload(plan.plain)
    if (this.#manifest !== undefined) await this.#commit(this.#manifest)
    else if (deleted.length > 0) await settings.files.deleteMany(deleted, { signal })
  }

  async #upload(uploads: readonly Upload[]): Promise<void> {
    const { plan, signal, onProgress } = this.#publication
    const total = plan.hashed.length + plan.plain.length
    const onDone = (): void => onProgress?.({ done: ++this.#done, total })
    await runAdaptively(this.#jobs(uploads), { signal, onDone })
  }

  *#jobs(uploads: readonly Upload[]): Generator<Job> {
    for (const upload of uploads) {
      const { file, target } = upload
      const weight = isStreamed(upload) ? streamWeight : file.size * 2
      yield { name: target, weight, run: () => this.#store(upload) }
    }
  }

  async #store(upload: Upload): Promise<void> {
    const { settings, links } = this.#publication
    const { file, source } = upload
    if (links !== undefined && upload.target === file.name && source === undefined)
      return links.link(file)
    const linked = isLink(settings.files, upload.target)
    const target = linked ? `${upload.target}.collected` : upload.target
    if (isStreamed(upload)) {
      await settings.files.save(target, streamAgain(file), this.#saveOptions(upload))
    } else if (isAsItIs(upload)) {
      await this.#storeAsItIs(upload, target)
    } else {
      const bytes = await this.#bytesOf(upload)
      await settings.files.save(target, bytes, this.#saveOptions(upload))
      if (source !== undefined) this.#stored[upload.target] = [md5(bytes), source, bytes.byteLength]
    }
    if (linked) replaceLink(settings.files, target, upload.target)
  }

  async #storeAsItIs(upload: Upload, target: string): Promise<void> {
    const { file } = upload
    const buffer = this.#buffers.take(file.size + 1)
    const bytes = readAgainInto(file, buffer)
    await this.#publication.settings.files.save(target, bytes, this.#saveOptions(upload))
    // Not after a failure: a request that was given up may still be reading.
    this.#buffers.give(buffer)
  }

  async #bytesOf({ file, rewritten, encoding }: Upload): Promise<Uint8Array> {
    const bytes = rewritten ? this.#publication.collected.render(file) : readAgain(file)
    return encoding === undefined ? bytes : await compressBytes(bytes, encoding)
  }

  #saveOptions({ file, encoding, cacheControl }: Upload): SaveOptions {
    const { settings, signal } = this.#publication
    const base = { overwrite: true, signal }
    if (!settings.files.backend.capabilities.properties) return base
    const headers = { cacheControl, contentType: contentTypeOf(file.name) }
    return { ...base, ...headers, contentEncoding: encoding }
  }

  async #commit(place: StaticManifest): Promise<void> {
    const { before, next, deleted, signal } = this.#publication
    const stored = Object.fromEntries(
      Object.entries(this.#stored).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    const complete = { ...next, state: next.state && { ...next.state, stored } }
    if (deleted.length > 0) await this.#commitAndPrune(place, complete)
    else if (before.etag !== undefined && sameManifest(before.manifest, complete))
      place.replace(before)
    else await commitManifest(place, before, complete, signal)
  }

  /**
   * What is deleted may be what a run has stored that is not done yet, which must not end well: the
   * manifest is another one than before, also where the site is the same. Who begins now waits.
   */
  async #commitAndPrune(place: StaticManifest, next: Manifest): Promise<void> {
    const { before, deleted, signal, settings } = this.#publication
    const manifest = { ...next, created: now(), pruning: { names: deleted, running: true } }
    await commitManifest(place, before, manifest, signal)
    await prune(settings.files, place, manifest, signal)
  }
}

function now(): string {
  return new Date().toISOString()
}

function isStreamed(upload: Upload): boolean {
  return upload.file.size >= wholeLimit && isAsItIs(upload)
}

/** Whether the source's own bytes are stored. */
function isAsItIs({ rewritten, encoding }: Upload): boolean {
  return !rewritten && encoding === undefined
}
