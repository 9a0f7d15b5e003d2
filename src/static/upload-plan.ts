import { compressBytes, type Delivery, type Encoding, type StoredForm } from './delivery.ts'
import { md5 } from './digest.ts'
import type { StoredNames } from './generations.ts'
import type { HashedFiles } from './hash-files.ts'
import { hashedName, shortHash } from './hashed-name.ts'
import type { CollectedState, Manifest } from './manifest.ts'
import { readAgain, type SourceFile } from './source-file.ts'
import type { StoredFiles } from './stored-files.ts'

/** An object to be written. */
export interface Upload {
  /** Name that it is stored under. */
  readonly target: string
  readonly file: SourceFile
  /** Whether its references are rewritten. */
  readonly rewritten: boolean
  readonly encoding: Encoding | undefined
  readonly cacheControl: string
  /** Identity of its source, to be written down with what is stored. */
  readonly source: string | undefined
}

export interface UploadPlan {
  readonly hashed: readonly Upload[]
  readonly plain: readonly Upload[]
  /** Names whose plain file is what it has to be. */
  readonly unchanged: readonly string[]
  /** What is known of objects that are not stored as their source is, and stay. */
  readonly known: CollectedState['stored']
  /** Every name that belongs to the site after the run. */
  readonly wanted: ReadonlySet<string>
}

export interface PlanOptions {
  readonly collected: HashedFiles
  readonly stored: StoredFiles
  readonly previous: Manifest
  /** Hashed names of every generation that the manifest knows. */
  readonly knownNames: StoredNames
  readonly delivery: Delivery
  /** A plain name that is not written: the manifest's own. */
  readonly reserved: string | undefined
  /** Whether everything is written again. */
  readonly afresh: boolean
  /** Where plain files are links: whether one is what it has to be. */
  readonly isLinked: ((file: SourceFile) => boolean) | undefined
  readonly signal: AbortSignal | undefined
}

/** What has to be written: found out by a listing, without a request for any file on S3. */
export async function planUploads(options: PlanOptions): Promise<UploadPlan> {
  const planner = new Planner(options)
  for (const file of options.collected.files.values()) {
    options.signal?.throwIfAborted()
    planner.planHashed(file)
    await planner.planPlain(file)
  }
  return planner.result()
}

class Planner {
  readonly #options: PlanOptions
  readonly #hashed = new Map<string, Upload>()
  readonly #plain: Upload[] = []
  readonly #unchanged: string[] = []
  readonly #known: Record<string, StoredRecord> = {}
  readonly #wanted = new Set<string>()

  constructor(options: PlanOptions) {
    this.#options = options
    for (const name of options.collected.files.keys()) this.#wanted.add(name)
    for (const name of options.collected.paths.values()) this.#wanted.add(name)
    if (options.reserved !== undefined) this.#wanted.add(options.reserved)
  }

  result(): UploadPlan {
    return {
      hashed: [...this.#hashed.values()],
      plain: this.#plain,
      unchanged: this.#unchanged,
      known: this.#known,
      wanted: this.#wanted,
    }
  }

  planHashed(file: SourceFile): void {
    const { collected, stored, knownNames, afresh, delivery } = this.#options
    const target = collected.paths.get(file.name)
    if (target === undefined) return
    const rewritten = !collected.isPlain(file.name)
    for (const { suffix, encoding } of this.#formsOf(file, target)) {
      const name = target + suffix
      const size = rewritten || encoding !== undefined ? undefined : file.size
      if (!afresh && stored.hasHashed(name, size, knownNames.has(target))) continue
      const cacheControl = delivery.cacheControlOf(file.name, true)
      this.#hashed.set(name, {
        target: name,
        file,
        rewritten,
        encoding,
        cacheControl,
        source: undefined,
      })
    }
  }

  async planPlain(file: SourceFile): Promise<void> {
    const { name } = file
    const { collected, delivery, reserved } = this.#options
    if (name === reserved || collected.paths.get(name) === name) return
    // Pages are what visitors ask for by plain names.
    const rewritten = file.language === 'html' && !collected.isPlain(name)
    let current = true
    for (const { suffix, encoding } of this.#formsOf(file, name)) {
      const target = name + suffix
      const own = rewritten ? collected.paths.get(name) : file.digest
      const source =
        rewritten || encoding !== undefined ? `${own}:${encoding ?? 'identity'}` : undefined
      if (await this.#isCurrent({ file, target, rewritten, encoding, source })) continue
      current = false
      const cacheControl = delivery.cacheControlOf(name, false)
      this.#plain.push({ target, file, rewritten, encoding, cacheControl, source })
    }
    if (current) this.#unchanged.push(name)
  }

  /** Forms of a file; one whose name another file has is left out. */
  #formsOf(file: SourceFile, target: string): readonly StoredForm[] {
    return this.#options.delivery.formsOf(file.name, file.size).filter(({ suffix }) => {
      if (suffix === '') return true
      const taken = this.#options.collected.files.has(target + suffix)
      if (!taken) this.#wanted.add(target + suffix)
      return !taken
    })
  }

  async #isCurrent(upload: Omit<Upload, 'cacheControl'>): Promise<boolean> {
    const { file, target, source } = upload
    const { stored, previous, afresh, isLinked, signal } = this.#options
    if (afresh) return false
    if (isLinked !== undefined && target === file.name && source === undefined)
      return isLinked(file)
    if (!stored.has(target)) return false
    if (source === undefined) {
      const { digest, size } = file
      return await stored.isCurrent({ name: target, digest, size }, this.#remembers(file), signal)
    }
    const record = previous.state?.stored[target] ?? (await recordOf(upload))
    if (record?.[1] !== source) return false
    const [digest, , size] = record
    const current = await stored.isCurrent({ name: target, digest, size }, true, signal)
    if (current) this.#known[target] = record
    return current
  }

  /** Whether the manifest says that the plain file was stored with these bytes. */
  #remembers({ name, digest }: SourceFile): boolean {
    const { previous } = this.#options
    const sources = previous.state?.sources ?? {}
    if (Object.hasOwn(sources, name)) return sources[name]?.[0] === digest
    return previous.paths.get(name) === hashedName(name, shortHash(digest))
  }
}

type StoredRecord = CollectedState['stored'][string]

/** What would be stored of a compressed file, where no manifest says what was. */
async function recordOf({
  file,
  rewritten,
  encoding,
  source,
}: Omit<Upload, 'cacheControl'>): Promise<StoredRecord | undefined> {
  if (rewritten || encoding === undefined || source === undefined) return undefined
  const bytes = await compressBytes(readAgain(file), encoding)
  return [md5(bytes), source, bytes.byteLength]
}
