import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Blob, JoinedBlob } from './blobs.ts'
import { Bucket, type BucketState, type ChangeListener, type StoredObject } from './bucket.ts'
import { FileBlob, FileBlobs } from './file-blobs.ts'

/** Buckets and objects as they are written down, one change a line. */
type Entry =
  | { readonly bucket: BucketState }
  | { readonly deletedBucket: string }
  | { readonly object: SavedObject; readonly in: string }
  | { readonly deletedObject: string; readonly in: string }

type SavedObject = Omit<StoredObject, 'blob' | 'lastModified'> & {
  readonly lastModified: string
  /** Files and their sizes; several for an object that was uploaded in parts. */
  readonly files: readonly (readonly [file: string, size: number])[]
}

/**
 * Keeps buckets and objects in a folder over a restart: `blobs/` holds the bytes, `journal.ndjson`
 * the changes. Uploads that are open when the server ends are gone, with their parts. One server at a
 * time uses a folder; nothing is forced to the disk, so a crash of the machine may lose the latest.
 */
export class Journal implements ChangeListener {
  readonly blobs: FileBlobs
  readonly buckets: Map<string, Bucket> = new Map()
  readonly #folder: string
  #file: number

  constructor(folder: string) {
    this.#folder = folder
    const blobs = join(folder, 'blobs')
    mkdirSync(blobs, { recursive: true })
    this.blobs = new FileBlobs(blobs)
    for (const entry of readEntries(join(folder, 'journal.ndjson'))) this.#replay(entry)
    this.#removeUnused(blobs)
    this.#file = this.#compact()
  }

  bucketChanged(bucket: BucketState): void {
    this.#write({ bucket })
  }

  bucketDeleted(deletedBucket: string): void {
    this.#write({ deletedBucket })
  }

  objectStored(bucket: string, object: StoredObject): void {
    this.#write({ in: bucket, object: savedObject(object) })
  }

  objectDeleted(bucket: string, deletedObject: string): void {
    this.#write({ in: bucket, deletedObject })
  }

  /** Ends the journal; what still changes is not kept. */
  close(): void {
    closeSync(this.#file)
    this.#file = -1
  }

  #write(entry: Entry): void {
    if (this.#file >= 0) writeSync(this.#file, `${JSON.stringify(entry)}\n`)
  }

  /** Objects go into the index directly: what is read needs not be written again. */
  #replay(entry: Entry): void {
    if ('bucket' in entry) this.#replayBucket(entry.bucket)
    else if ('deletedBucket' in entry) this.buckets.delete(entry.deletedBucket)
    else {
      const bucket = this.buckets.get(entry.in)
      const key = 'object' in entry ? entry.object.key : entry.deletedObject
      const before = bucket?.objects.get(key)
      if ('object' in entry) bucket?.objects.set(key, this.#revived(entry.object))
      else bucket?.objects.delete(key)
      before?.blob.release()
    }
  }

  #replayBucket(state: BucketState): void {
    // JSON leaves out what is undefined, which here means that it was removed.
    const cleared = { ownership: undefined, cors: undefined }
    const revived = { ...cleared, ...state, created: new Date(state.created) }
    const known = this.buckets.get(state.name)
    if (known === undefined) this.buckets.set(state.name, new Bucket(revived, this))
    else Object.assign(known.state, revived)
  }

  #revived({ files, lastModified, ...rest }: SavedObject): StoredObject {
    const blobs = files.map(([file, size]) => this.blobs.reopen(file, size))
    const [first] = blobs
    const blob = blobs.length === 1 && first !== undefined ? first : new JoinedBlob(blobs)
    return { ...rest, blob, lastModified: new Date(lastModified) }
  }

  #removeUnused(folder: string): void {
    const used = new Set<string>()
    for (const bucket of this.buckets.values()) {
      for (const { blob } of bucket.objects.values()) {
        for (const [file] of filesOf(blob)) used.add(file)
      }
    }
    for (const file of readdirSync(folder)) if (!used.has(file)) rmSync(join(folder, file))
  }

  /** Writes down what is there now in place of how it came about. */
  #compact(): number {
    const path = join(this.#folder, 'journal.ndjson')
    this.#file = openSync(`${path}.new`, 'w')
    for (const bucket of this.buckets.values()) {
      this.bucketChanged(bucket.state)
      for (const object of bucket.objects.values()) this.objectStored(bucket.name, object)
    }
    renameSync(`${path}.new`, path)
    return this.#file
  }
}

/** The last line may be cut off: its change never was confirmed. */
function readEntries(path: string): Entry[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line): Entry => JSON.parse(line))
}

function savedObject({ blob, lastModified, ...rest }: StoredObject): SavedObject {
  return { ...rest, lastModified: lastModified.toISOString(), files: filesOf(blob) }
}

function filesOf(blob: Blob): [string, number][] {
  if (blob instanceof JoinedBlob) return blob.parts.flatMap(filesOf)
  return blob instanceof FileBlob ? [[blob.file, blob.size]] : []
}
