import { setImmediate } from 'node:timers/promises'
import {
  type FileNotFoundError,
  isStorageError,
  StorageError,
  ValidationError,
} from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { integrityOf, md5 } from './digest.ts'
import type { FoundFile, FoundFiles } from './finders.ts'
import { hashedName, shortHash } from './hashed-name.ts'
import type { CollectedState, Manifest } from './manifest.ts'
import { type LinkedFile, linkFile, rewriteLinks, type Site } from './references/linked-file.ts'
import { loadScriptLexer } from './references/modules.ts'
import { scanFile, searchLimit, unsearched } from './scan-file.ts'
import {
  type Language,
  type LanguageOptions,
  languageOf,
  readAgain,
  type SourceFile,
  SourceReader,
} from './source-file.ts'
import { strongComponents } from './strong-components.ts'
import type { StaticWarning } from './warning.ts'

export interface HashOptions {
  readonly languages: LanguageOptions
  /** Everything of a {@link Site} but what the files themselves tell. */
  readonly site: Omit<Site, 'hasFile' | 'hasFolder'>
  /** The manifest in force: files that did not change since are not searched again. */
  readonly previous: Manifest
  /** Whether names are hashed at all. */
  readonly hashing: boolean
  readonly integrity: boolean
  readonly signal: AbortSignal | undefined
}

/** Milliseconds of reading after which others get a turn. */
const turn = 20
/** Bytes of rewritten files that are kept for the upload. */
const keptLimit = 32 * 1024 * 1024
/** Failures that are named; the rest is counted. */
const maxNamed = 20

/** What is known of files when all are hashed. */
interface HashedContent {
  readonly files: ReadonlyMap<string, SourceFile>
  /** Hashed name by name. */
  readonly paths: ReadonlyMap<string, string>
  /** What the next run can do without. */
  readonly sources: CollectedState['sources']
  readonly problems: CollectedState['problems']
  readonly integrity: ReadonlyMap<string, string>
  readonly warnings: readonly StaticWarning[]
  /** See {@link rulesOf}. */
  readonly rules: string
  /** Bytes of a file with its references rewritten. @throws FileChangedError */
  render(file: SourceFile): Uint8Array
}

/** Files with their hashes, and their bytes as they are to be stored. */
export class HashedFiles implements HashedContent {
  readonly files: HashedContent['files']
  readonly paths: HashedContent['paths']
  readonly sources: HashedContent['sources']
  readonly problems: HashedContent['problems']
  readonly integrity: HashedContent['integrity']
  readonly warnings: HashedContent['warnings']
  readonly rules: string
  readonly #render: HashedContent['render']

  constructor(content: HashedContent) {
    this.files = content.files
    this.paths = content.paths
    this.sources = content.sources
    this.problems = content.problems
    this.integrity = content.integrity
    this.warnings = content.warnings
    this.rules = content.rules
    this.#render = content.render
  }

  render(file: SourceFile): Uint8Array {
    return this.#render(file)
  }

  /** Whether the bytes that are stored under the hashed name are the source's own. */
  isPlain(name: string): boolean {
    return !Object.hasOwn(this.sources, name)
  }
}

/**
 * Text of the rules under which references are looked for: what is known of a file is worthless
 * under others.
 */
function rulesOf(languages: LanguageOptions, site: HashOptions['site']): string {
  const { modules, html, svg, webManifests } = languages
  return JSON.stringify([3, modules, html, svg, webManifests, site.root ?? null, site.plusIsBlank])
}

/**
 * Reads, hashes and links all files.
 *
 * @throws StorageError naming every file that could not be read, and every reference to a missing
 *   file under the policy `error`; nothing was stored by then
 */
export async function hashFiles(found: FoundFiles, options: HashOptions): Promise<HashedFiles> {
  const hasher = new Hasher(found, options)
  await hasher.read()
  return await hasher.finish()
}

class Hasher {
  readonly #found: FoundFiles
  readonly #options: HashOptions
  readonly #site: Site
  readonly #rules: string
  readonly #known: CollectedState['sources'] | undefined
  readonly #reader = new SourceReader()
  readonly #files = new Map<string, SourceFile>()
  readonly #linked = new Map<string, LinkedFile>()
  /** What unchanged files refer to, by the manifest. */
  readonly #remembered = new Map<string, readonly string[]>()
  readonly #paths = new Map<string, string>()
  readonly #integrity = new Map<string, string>()
  readonly #errors: StorageError[] = []
  /** Rewritten files between the hash and the upload. */
  readonly #kept = new Map<string, Uint8Array>()
  #keptSize = 0

  constructor(found: FoundFiles, options: HashOptions) {
    this.#found = found
    this.#options = options
    const folders = foldersOf(found.files.keys())
    this.#site = {
      ...options.site,
      hasFile: name => found.files.has(name),
      hasFolder: name => name === '' || folders.has(name),
    }
    const { state } = options.previous
    this.#rules = rulesOf(options.languages, options.site)
    this.#known = state?.rules === this.#rules ? state.sources : undefined
  }

  async read(): Promise<void> {
    const { signal, hashing, languages } = this.#options
    let since = performance.now()
    for (const found of this.#found.files.values()) {
      if (performance.now() - since > turn) {
        await setImmediate()
        signal?.throwIfAborted()
        since = performance.now()
      }
      await this.#readOne(found, hashing ? languageOf(found.name, languages) : undefined)
    }
    this.#throwErrors()
  }

  async finish(): Promise<HashedFiles> {
    if (this.#options.hashing) this.#hashAll()
    this.#checkNames()
    this.#throwErrors()
    return new HashedFiles({
      files: this.#files,
      paths: this.#paths,
      sources: this.#sources(),
      problems: this.#problems(),
      integrity: this.#integrity,
      warnings: this.#warnings(),
      rules: this.#rules,
      render: file => this.#render(file),
    })
  }

  async #readOne(found: FoundFile, language: Language | undefined): Promise<void> {
    try {
      const { file, bytes } = await this.#reader.read(found, language)
      this.#files.set(found.name, file)
      if (language === undefined || isBuilt(found)) return
      const remembered = this.#recall(file)
      if (remembered !== undefined) {
        this.#remembered.set(file.name, remembered)
        return
      }
      if (language === 'script' || language === 'module') await loadScriptLexer()
      this.#link(file, () => bytes ?? readAgain(file))
    } catch (error) {
      if (!isStorageError(error)) throw error
      this.#errors.push(error)
    }
  }

  /** What the file refers to, if its bytes are those that the manifest knows. */
  #recall(file: SourceFile): readonly string[] | undefined {
    if (this.#known === undefined) return undefined
    const { name, digest } = file
    const entry = Object.hasOwn(this.#known, name) ? this.#known[name] : undefined
    if (entry === undefined) {
      const plain = hashedName(name, shortHash(digest))
      return this.#options.previous.paths.get(name) === plain ? [] : undefined
    }
    const [source, ...needs] = entry
    const valid = source === digest && needs.every(need => need !== '' && this.#exists(need))
    return valid ? needs : undefined
  }

  #exists(need: string): boolean {
    return need.endsWith('/') ? this.#site.hasFolder(need.slice(0, -1)) : this.#site.hasFile(need)
  }

  #link(file: SourceFile, bytes: () => Uint8Array): LinkedFile {
    const { name, language, size } = file
    const scan = size > searchLimit ? unsearched : scanFile(bytes(), language ?? 'css')
    const linked = linkFile(name, scan, this.#site)
    this.#linked.set(name, linked)
    for (const error of linked.errors) this.#errors.push(error)
    return linked
  }

  #needsOf(name: string): readonly string[] {
    const needs = this.#linked.get(name)?.needs ?? this.#remembered.get(name) ?? []
    return needs.filter(need => !need.endsWith('/'))
  }

  #hashAll(): void {
    const needs = (name: string): readonly string[] => this.#needsOf(name)
    for (const component of strongComponents(this.#files.keys(), needs)) {
      const [name = ''] = component
      const isCycle = component.length > 1 || needs(name).includes(name)
      if (this.#isUnchanged(component)) this.#keep(component)
      else if (isCycle) this.#hashCycle(component)
      else this.#hashOne(name)
    }
  }

  /** A file may have the hashed name of another one, as a folder that was collected into has them. */
  #checkNames(): void {
    for (const [name, stored] of this.#paths) {
      const other = stored === name ? undefined : this.#files.get(stored)
      if (other === undefined || md5(this.#rewritten(this.#file(name))) === other.digest) continue
      const message = `${quoteName(name)} is to be stored as ${quoteName(stored)}, and another file with other bytes (${other.path}) has that name.`
      this.#errors.push(
        new ValidationError(message, { operation: 'collectStatic', file: other.name }),
      )
    }
  }

  /** Whether neither the files nor anything that they refer to differ from the manifest. */
  #isUnchanged(component: readonly string[]): boolean {
    const { previous } = this.#options
    const members = new Set(component)
    return component.every(
      name =>
        this.#remembered.has(name) &&
        this.#needsOf(name).every(
          need => members.has(need) || this.#paths.get(need) === previous.paths.get(need),
        ),
    )
  }

  #keep(component: readonly string[]): void {
    const { previous, integrity } = this.#options
    for (const name of component) {
      const stored = previous.paths.get(name) ?? name
      this.#paths.set(name, stored)
      if (!integrity || !isLoadedByPages(name)) continue
      const known = previous.integrity.get(name)
      if (known !== undefined) this.#integrity.set(name, known)
      else this.#addIntegrity(name)
    }
  }

  #hashOne(name: string): void {
    const file = this.#file(name)
    if (isBuilt(file)) {
      this.#paths.set(name, name)
      return
    }
    const rewritten = this.#isRewritten(file)
    const digest = rewritten ? md5(this.#renderToHash(file)) : file.digest
    this.#paths.set(name, hashedName(name, shortHash(digest)))
    if (this.#options.integrity && isLoadedByPages(name)) this.#addIntegrity(name)
  }

  /**
   * Files that refer to each other cannot hold the hash of what holds theirs: all get the hash of
   * the whole, in which references among them are still plain.
   */
  #hashCycle(component: readonly string[]): void {
    const members = new Set(component)
    const outside = (name: string): string | undefined =>
      members.has(name) ? undefined : this.#paths.get(name)
    const parts = [...component]
      .sort()
      .map(name => `${name}\0${md5(this.#rewrite(this.#file(name), outside))}`)
    const hash = shortHash(md5(parts.join('\n')))
    for (const name of component) this.#paths.set(name, hashedName(name, hash))
    if (!this.#options.integrity) return
    for (const name of component) if (isLoadedByPages(name)) this.#addIntegrity(name)
  }

  #addIntegrity(name: string): void {
    this.#integrity.set(name, integrityOf(this.#rewritten(this.#file(name))))
  }

  #file(name: string): SourceFile {
    const file = this.#files.get(name)
    if (file === undefined) throw new StorageError(`${name} was not read.`, { file: name })
    return file
  }

  #isRewritten(file: SourceFile): boolean {
    const linked = this.#linked.get(file.name)
    if (linked !== undefined) return linked.links.length > 0
    return (this.#known?.[file.name]?.length ?? 0) > 0 && this.#remembered.has(file.name)
  }

  /** The bytes that are stored under the hashed name, made but once if there is room to keep them. */
  #render(file: SourceFile): Uint8Array {
    const kept = this.#kept.get(file.name)
    if (kept !== undefined) {
      this.#kept.delete(file.name)
      this.#keptSize -= kept.byteLength
      return kept
    }
    return this.#rewritten(file)
  }

  #rewritten(file: SourceFile): Uint8Array {
    return this.#rewrite(file, name => this.#paths.get(name))
  }

  #renderToHash(file: SourceFile): Uint8Array {
    const bytes = this.#rewritten(file)
    if (this.#keptSize + bytes.byteLength > keptLimit) return bytes
    this.#kept.set(file.name, bytes)
    this.#keptSize += bytes.byteLength
    return bytes
  }

  #rewrite(file: SourceFile, storedName: (name: string) => string | undefined): Uint8Array {
    if (!this.#isRewritten(file)) return readAgain(file)
    const bytes = this.#reader.readAgain(file)
    const { links } = this.#linked.get(file.name) ?? this.#link(file, () => bytes)
    return rewriteLinks(bytes, links, this.#site, storedName)
  }

  #warnings(): StaticWarning[] {
    const { state } = this.#options.previous
    const again = [...this.#remembered.keys()].flatMap(file =>
      // Those that were read after all are among the linked ones.
      this.#linked.has(file)
        ? []
        : (state?.problems[file] ?? []).map(problem => ({ file, ...problem })),
    )
    return [...again, ...[...this.#linked.values()].flatMap(({ warnings }) => warnings)]
  }

  #problems(): CollectedState['problems'] {
    const problems: Record<string, CollectedState['problems'][string]> = {}
    const before = this.#options.previous.state?.problems
    for (const name of this.#remembered.keys()) {
      const known = before?.[name]
      if (known !== undefined) problems[name] = known
    }
    for (const [name, linked] of this.#linked)
      if (linked.problems.length > 0) problems[name] = linked.problems
    return Object.fromEntries(Object.entries(problems).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #sources(): CollectedState['sources'] {
    const sources: Record<string, readonly string[]> = {}
    for (const [name, needs] of this.#remembered) {
      const entry = this.#known?.[name]
      if (entry !== undefined) sources[name] = [entry[0] ?? '', ...needs]
    }
    for (const [name, { links, needs, settled }] of this.#linked) {
      if (settled && links.length === 0) continue
      const digest = this.#files.get(name)?.digest ?? ''
      sources[name] = settled ? [digest, ...needs] : [digest, ...needs, '']
    }
    return Object.fromEntries(Object.entries(sources).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #throwErrors(): void {
    const failed = this.#found.warnings.filter(warning => warning.failed === true)
    const errors = [
      ...failed.map(
        ({ file, message }) =>
          new StorageError(`${file}: ${message}`, { operation: 'collectStatic', file }),
      ),
      ...this.#errors,
    ]
    const [first] = errors
    if (first === undefined) return
    if (errors.length === 1) throw first
    const named = errors.slice(0, maxNamed).map(({ message }) => `\n  ${message}`)
    const rest = errors.length > maxNamed ? `\n  and ${errors.length - maxNamed} more` : ''
    const Kind = first.constructor as typeof FileNotFoundError
    throw new Kind(`${errors.length} problems, and nothing was stored:${named.join('')}${rest}`, {
      operation: 'collectStatic',
      file: first.file,
      errors,
    })
  }
}

/** Whether a bundler gave it a name that changes with its content. */
function isBuilt({ root, name }: FoundFile): boolean {
  return root.build?.hashed.has(name.slice(root.prefix.length)) ?? false
}

/** What `integrity` attributes are for (SRI, section 3.4). */
function isLoadedByPages(name: string): boolean {
  return /\.(?:css|m?js)$/.test(name)
}

/** Every folder of the names, without a final `/`. */
function foldersOf(names: Iterable<string>): ReadonlySet<string> {
  const folders = new Set<string>()
  for (const name of names) {
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
      const folder = name.slice(0, at)
      if (folders.has(folder)) break
      folders.add(folder)
    }
  }
  return folders
}
