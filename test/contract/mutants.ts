import { MemoryBackend } from '../../src/backends/memory/memory-backend.ts'
import type {
  Backend,
  CopyOptions,
  ListOptions,
  ListPage,
  OperationOptions,
  ReadBody,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from '../../src/core/backend.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { type ContentSource, MemoryContent, toContent } from '../../src/core/content.ts'
import { noSuchFile, PreconditionFailedError } from '../../src/core/errors.ts'
import type { FileStat } from '../../src/core/file-stat.ts'
import type { Folder, Name } from '../../src/core/names.ts'
import { Layer } from '../../src/layers/layer.ts'

/** A backend with one defect, and tests of the suite that must find it. */
export interface Mutant {
  readonly defect: string
  readonly make: () => Backend
  readonly foundBy: readonly string[]
}

/** Over a memory backend, so that a defect is all that differs. */
class Broken extends Layer {
  constructor(inner: Backend = new MemoryBackend()) {
    super(inner)
  }
}

async function bytesOf(content: ContentSource): Promise<Bytes> {
  const pieces: Uint8Array[] = []
  for await (const piece of content.chunks()) pieces.push(piece.slice())
  return new Uint8Array(Buffer.concat(pieces))
}

async function allPages(pages: AsyncIterable<ListPage>): Promise<ListPage> {
  const files: FileStat[] = []
  const folders: Folder[] = []
  for await (const page of pages) {
    files.push(...page.files)
    folders.push(...page.folders)
  }
  return { files, folders }
}

const replacing = { condition: undefined, nextName: undefined } as const

class Utf16Order extends Broken {
  override async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const { files, folders } = await allPages(this.inner.list(options))
    yield {
      files: [...files].sort((a, b) => (a.name < b.name ? -1 : 1)),
      folders: [...folders].sort(),
    }
  }
}

class ListingCut extends Broken {
  override async *list(options: ListOptions): AsyncGenerator<ListPage> {
    for await (const page of this.inner.list(options)) {
      yield page
      return
    }
  }
}

class PageRepeated extends Broken {
  override async *list(options: ListOptions): AsyncGenerator<ListPage> {
    for (let round = 0; round < 100; round++) yield* this.inner.list(options)
  }
}

class PrefixWithoutSlash extends Broken {
  override async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const { files, folders } = await allPages(
      this.inner.list({ ...options, folder: '', recursive: true }),
    )
    const prefix = options.folder.slice(0, -1)
    yield { files: files.filter(({ name }) => name.startsWith(prefix)), folders }
  }
}

class AbsentReplaces extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    return this.inner.write(name, content, { ...options, ...replacing })
  }
}

class NextNameForgotten extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    return this.inner.write(name, content, { ...options, nextName: undefined })
  }
}

class DeleteOfMissingFails extends Broken {
  override async delete(name: Name, options: OperationOptions): Promise<void> {
    await this.inner.head(name, options)
    await this.inner.delete(name, options)
  }
}

class DeleteTakesPrefix extends Broken {
  override async delete(name: Name, options: OperationOptions): Promise<void> {
    const { files } = await allPages(this.inner.list({ folder: '', recursive: true }))
    for (const file of files) {
      if (file.name.startsWith(name)) await this.inner.delete(file.name as Name, options)
    }
  }
}

class ManyStopsAtFailure extends Broken {
  override readonly deleteMany = async (
    names: readonly Name[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<Name, unknown>> => {
    for (const name of names.slice(0, 900)) await this.inner.delete(name, options)
    return new Map()
  }
}

class WriteClearsFirst extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    if (options.condition === undefined) await this.inner.delete(name, {})
    return await this.inner.write(name, content, options)
  }
}

class PartialContentStays extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const partial = (async function* () {
      try {
        yield* content.chunks()
      } catch {}
    })()
    const target = await this.inner.write(name, toContent(partial), options)
    if (content.failure !== undefined) throw content.failure.error
    return target
  }
}

class VisibleWhileWritten extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    if (options.condition !== 'absent') return await this.inner.write(name, content, options)
    const target = await this.inner.write(name, new MemoryContent(new Uint8Array(0)), options)
    try {
      return await this.inner.write(target, content, { ...options, ...replacing })
    } catch (error) {
      await this.inner.delete(target, {})
      throw error
    }
  }
}

class MetadataDropped extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    return this.inner.write(name, content, { ...options, metadata: undefined })
  }
}

class ContentTypeForgotten extends Broken {
  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    return { ...(await this.inner.head(name, options)), contentType: undefined }
  }
}

class RangeInclusive extends Broken {
  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const end = options.end === undefined ? undefined : options.end + 1
    return await this.inner.read(name, { ...options, end })
  }
}

class StartZeroIgnored extends Broken {
  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    if (options.start) return await this.inner.read(name, options)
    return await this.inner.read(name, { ...options, start: undefined, end: undefined })
  }
}

class VersionIgnoredByRead extends Broken {
  override read(name: Name, options: ReadOptions): Promise<ReadResult> {
    return this.inner.read(name, { ...options, ifMatch: undefined })
  }
}

class VersionIgnoredByWrite extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const condition = options.condition === 'absent' ? 'absent' : undefined
    return this.inner.write(name, content, { ...options, condition })
  }
}

class CheckThenWrite extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    let target = name
    for (;;) {
      const stat = await this.inner.head(target, {}).catch(() => undefined)
      if (this.#holds(stat, options)) break
      if (options.nextName === undefined) throw new PreconditionFailedError('Taken.')
      target = options.nextName()
    }
    // Whatever it does here, another writer may do in the meantime.
    const bytes = await bytesOf(content)
    return await this.inner.write(target, new MemoryContent(bytes), { ...options, ...replacing })
  }

  #holds(stat: FileStat | undefined, { condition }: WriteOptions): boolean {
    if (condition === undefined) return true
    return condition === 'absent' ? stat === undefined : stat?.etag === condition.ifMatch
  }
}

class FolderExists extends Broken {
  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    try {
      return await this.inner.head(name, options)
    } catch (error) {
      const folder: Folder = name.endsWith('/') ? `${name.slice(0, -1)}/` : `${name}/`
      const { files } = await allPages(this.inner.list({ folder, recursive: true }))
      if (files.length === 0) throw error
      return { name, size: 0, modifiedTime: new Date(), etag: 'folder' }
    }
  }
}

class CopyDropsProperties extends Broken {
  override readonly copy = async (from: Name, to: Name, options: CopyOptions): Promise<void> => {
    const { body } = await this.inner.read(from, {})
    const content = new MemoryContent(await body.bytes())
    await this.inner.write(to, content, { ...options, nextName: undefined })
  }
}

class CopyReplaces extends Broken {
  override readonly copy = async (from: Name, to: Name): Promise<void> => {
    await this.inner.copy?.(from, to, { condition: undefined })
  }
}

class MoveKeepsSource extends Broken {
  override readonly move = async (from: Name, to: Name, options: CopyOptions): Promise<void> => {
    await this.inner.copy?.(from, to, options)
  }
}

class MoveLosesFile extends Broken {
  override readonly move = async (from: Name, to: Name, options: CopyOptions): Promise<void> => {
    const { body } = await this.inner.read(from, {})
    const content = new MemoryContent(await body.bytes())
    await this.inner.delete(from, {})
    await this.inner.write(to, content, { ...options, nextName: undefined })
  }
}

class PlainErrors extends Broken {
  protected override async around<T>(
    _call: unknown,
    _options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw new Error(error instanceof Error ? error.message : 'failed')
    }
  }
}

class SizeInCharacters extends Broken {
  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    const { stat, body } = await this.inner.read(name, options)
    const text = new TextDecoder().decode(await body.bytes())
    return { ...stat, size: text.length }
  }
}

class AbortIgnored extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    try {
      return await this.inner.write(name, content, { ...options, signal: undefined })
    } catch (error) {
      if (options.signal?.aborted !== true) throw error
      return await new Promise<never>(() => {})
    }
  }
}

class AbortComesTooLate extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    await Promise.resolve()
    return await this.inner.write(name, content, { ...options, signal: undefined })
  }
}

class EtagConstant extends Broken {
  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    return { ...(await this.inner.head(name, options)), etag: 'constant' }
  }

  override read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const { ifMatch } = options
    return this.inner.read(name, {
      ...options,
      ifMatch: ifMatch === 'constant' ? undefined : ifMatch,
    })
  }
}

class NamesNormalised extends Broken {
  override head(name: Name, options: OperationOptions): Promise<FileStat> {
    return this.inner.head(this.#normal(name), options)
  }

  override delete(name: Name, options: OperationOptions): Promise<void> {
    return this.inner.delete(this.#normal(name), options)
  }

  #normal(name: Name): Name {
    return name.replaceAll(/\/+/g, '/').replace(/\/$/, '') as Name
  }
}

class NamesComposed extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    return this.inner.write(name.normalize('NFC') as Name, content, options)
  }
}

class ContentNotCopied extends Broken {
  readonly #kept = new Map<string, Bytes>()

  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    if (content.bytes !== undefined) this.#kept.set(name, content.bytes)
    return this.inner.write(name, content, options)
  }

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const result = await this.inner.read(name, options)
    const kept = this.#kept.get(name)
    if (kept === undefined) return result
    return { ...result, body: new BodyOf(kept.subarray(result.start, result.end)) }
  }
}

class BodyOf implements ReadBody {
  readonly #bytes: Bytes

  constructor(bytes: Bytes) {
    this.#bytes = bytes
  }

  async bytes(): Promise<Bytes> {
    return this.#bytes
  }

  async *chunks(): AsyncGenerator<Bytes> {
    yield this.#bytes
  }

  cancel(): void {}
}

class LastChunkLost extends Broken {
  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const all = await bytesOf(content)
    const bytes = all.byteLength > 65_536 ? all.subarray(0, all.byteLength & ~0xffff) : all
    return await this.inner.write(name, new MemoryContent(bytes), options)
  }
}

class EmptyIsNoFile extends Broken {
  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const result = await this.inner.read(name, options)
    if (result.stat.size === 0) throw noSuchFile(name)
    return result
  }
}

class ClockStopped extends Broken {
  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    return { ...(await this.inner.head(name, options)), modifiedTime: new Date(0) }
  }
}

class ReadHoldsOldBytes extends Broken {
  readonly #held = new Map<string, ReadResult>()

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const key = `${name} ${options.start} ${options.end} ${options.ifMatch}`
    const result = this.#held.get(key) ?? (await this.inner.read(name, options))
    this.#held.set(key, result)
    return result
  }
}

class ProgressInChunks extends Broken {
  override write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    let last = 0
    const { onProgress } = options
    if (onProgress === undefined) return this.inner.write(name, content, options)
    return this.inner.write(name, content, {
      ...options,
      onProgress: loaded => {
        onProgress(loaded - last)
        last = loaded
      },
    })
  }
}

export const mutants: readonly Mutant[] = [
  {
    defect: 'lists in the order of UTF-16 units',
    make: () => new Utf16Order(),
    foundBy: [
      'listing > lists in the order of UTF-8 bytes',
      'names > keeps nasty names apart, each with its own content',
    ],
  },
  {
    defect: 'cuts a listing at 1,000',
    make: () => new ListingCut(),
    foundBy: ['listing > lists 1,000, 1,001 and 2,500 files completely'],
  },
  {
    defect: 'lists again and again from the start',
    make: () => new PageRepeated(),
    foundBy: ['listing > lists one level unless told otherwise'],
  },
  {
    defect: 'lists by a prefix that does not end in a slash',
    make: () => new PrefixWithoutSlash(),
    foundBy: ['listing > keeps to the folder, not to names that begin like it'],
  },
  {
    defect: 'replaces a file under the condition "absent"',
    make: () => new AbsentReplaces(),
    foundBy: [
      'writing > chooses another name for one that is taken',
      'primitives of the backend > keep a taken name under the condition absent',
      'concurrency > 50 saves of one name give 50 names and 50 contents',
    ],
  },
  {
    defect: 'never asks for another name',
    make: () => new NextNameForgotten(),
    foundBy: ['writing > chooses another name for one that is taken'],
  },
  {
    defect: 'fails to delete a missing file',
    make: () => new DeleteOfMissingFails(),
    foundBy: ['deleting > takes a missing file for done'],
  },
  {
    defect: 'deletes everything that begins with the name',
    make: () => new DeleteTakesPrefix(),
    foundBy: ['deleting > removes neither folders nor names that begin alike'],
  },
  {
    defect: 'deletes only the first of many',
    make: () => new ManyStopsAtFailure(),
    foundBy: ['deleting > removes many, from lists and from streams of names'],
  },
  {
    defect: 'clears the old file before it writes',
    make: () => new WriteClearsFirst(),
    foundBy: [
      'writing > keeps the old file and leaves nothing when the content fails half-way',
      'writing > shows nothing of a new file, and the old one, while it writes',
    ],
  },
  {
    defect: 'keeps what it got of a content that failed',
    make: () => new PartialContentStays(),
    foundBy: ['writing > keeps the old file and leaves nothing when the content fails half-way'],
  },
  {
    defect: 'creates the file before it has the content',
    make: () => new VisibleWhileWritten(),
    foundBy: ['writing > shows nothing of a new file, and the old one, while it writes'],
  },
  {
    defect: 'drops metadata',
    make: () => new MetadataDropped(),
    foundBy: [
      'properties > keeps metadata or refuses it before any I/O',
      'properties > keeps metadata of any script, under lower-case names',
    ],
  },
  {
    defect: 'forgets the content type',
    make: () => new ContentTypeForgotten(),
    foundBy: ['properties > takes the content type from the name'],
  },
  {
    defect: 'takes the end of a range for included',
    make: () => new RangeInclusive(),
    foundBy: [
      'reading > slices as Blob does: 3 to 7',
      'primitives of the backend > deliver half-open ranges and tell their bounds',
    ],
  },
  {
    defect: 'takes a start of 0 for none',
    make: () => new StartZeroIgnored(),
    foundBy: ['primitives of the backend > deliver half-open ranges and tell their bounds'],
  },
  {
    defect: 'ignores the version when it reads',
    make: () => new VersionIgnoredByRead(),
    foundBy: ['primitives of the backend > check a version when they read'],
  },
  {
    defect: 'ignores the version when it writes',
    make: () => new VersionIgnoredByWrite(),
    foundBy: [
      'conditions > keeps another version',
      'conditions > creates nothing in the place of a missing file',
      'conditions > guards an opened file, too',
    ],
  },
  {
    defect: 'checks a condition and then writes',
    make: () => new CheckThenWrite(),
    foundBy: [
      'concurrency > 50 saves of one name from streams lose nothing',
      'conditions > lets exactly one of many writers replace a version',
    ],
  },
  {
    defect: 'says that a folder is a file',
    make: () => new FolderExists(),
    foundBy: ['reading > takes no folder for a file'],
  },
  {
    defect: 'drops the properties of a copy',
    make: () => new CopyDropsProperties(),
    foundBy: ['copying > copy keeps the properties'],
  },
  {
    defect: 'replaces a file by a copy',
    make: () => new CopyReplaces(),
    foundBy: [
      'copying > copy chooses another name for one that is taken',
      'concurrency > many copies onto one name all stay',
    ],
  },
  {
    defect: 'keeps the source of a move',
    make: () => new MoveKeepsSource(),
    foundBy: ['copying > move gives a file another name'],
  },
  {
    defect: 'deletes the source before the move is done',
    make: () => new MoveLosesFile(),
    foundBy: ['copying > move chooses another name for one that is taken'],
  },
  {
    defect: 'throws plain errors',
    make: () => new PlainErrors(),
    foundBy: ['errors > say which file of which storage is missing'],
  },
  {
    defect: 'counts characters instead of bytes',
    make: () => new SizeInCharacters(),
    foundBy: ['reading > tells the size in bytes'],
  },
  {
    defect: 'hangs when it is cancelled',
    make: () => new AbortIgnored(),
    foundBy: ['cancellation > reaches the backend, which gives up by itself'],
  },
  {
    defect: 'stores although it was cancelled',
    make: () => new AbortComesTooLate(),
    foundBy: ['cancellation > save rejects with the reason when it is cancelled'],
  },
  {
    defect: 'gives every version the same etag',
    make: () => new EtagConstant(),
    foundBy: ['writing > changes its version whenever a file is replaced'],
  },
  {
    defect: 'takes a//b for a/b',
    make: () => new NamesNormalised(),
    foundBy: ['names > takes no spelling of a name for another one'],
  },
  {
    defect: 'composes the letters of names',
    make: () => new NamesComposed(),
    foundBy: ['names > keeps nasty names apart, each with its own content'],
  },
  {
    defect: 'keeps the buffer of its caller',
    make: () => new ContentNotCopied(),
    foundBy: [
      'content > does not follow a content that is changed after it was given',
      'reading > gives bytes that belong to the caller',
    ],
  },
  {
    defect: 'loses the last chunk of a large content',
    make: () => new LastChunkLost(),
    foundBy: ['content > stores bytes', 'open writers > write large files in pieces of any size'],
  },
  {
    defect: 'takes an empty file for none',
    make: () => new EmptyIsNoFile(),
    foundBy: ['primitives of the backend > read empty files by any range'],
  },
  {
    defect: 'has no clock',
    make: () => new ClockStopped(),
    foundBy: ['times > tells when a file was modified'],
  },
  {
    defect: 'answers reads from what it read before',
    make: () => new ReadHoldsOldBytes(),
    foundBy: ['open readers > have no line in an empty file, and one without an end'],
  },
  {
    defect: 'reports its progress in steps, not in total',
    make: () => new ProgressInChunks(),
    foundBy: ['writing > reports its progress'],
  },
]
