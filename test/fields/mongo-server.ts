import { createServer, type Server, type Socket } from 'node:net'
import { mongo } from 'mongoose'

const { BSON } = mongo
type Doc = Record<string, unknown>
type Collections = Map<string, Doc[]>

/** What a transaction works on, and the documents that it has written, which nobody else may. */
interface Transaction {
  readonly data: Collections
  readonly written: Set<string>
}

class CommandError extends Error {
  readonly code: number
  readonly labels: readonly string[]

  constructor(code: number, message: string, labels: readonly string[] = []) {
    super(message)
    this.code = code
    this.labels = labels
  }
}

/**
 * As much of MongoDB as the adapter's tests need, behind the wire protocol that the real driver
 * speaks: no server can be installed where the tests run. One process, in memory, transactions on
 * snapshots; the first writer of a document wins, the other gets a WriteConflict.
 */
export class MongoServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #transactions = new Map<string, Transaction>()
  readonly #unique = new Map<string, string[]>()
  #data: Collections = new Map()

  private constructor() {
    this.#server = createServer(socket => this.#serve(socket))
  }

  static async start(): Promise<MongoServer> {
    const server = new MongoServer()
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    const address = this.#server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    return `mongodb://127.0.0.1:${port}/test?directConnection=true`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    let buffered = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => {
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 16 && buffered.length >= buffered.readInt32LE(0)) {
        const length = buffered.readInt32LE(0)
        this.#answer(socket, buffered.subarray(0, length))
        buffered = buffered.subarray(length)
      }
    })
  }

  /** OP_MSG (2013), and OP_QUERY (2004) for the first greeting. */
  #answer(socket: Socket, message: Buffer): void {
    const id = message.readInt32LE(4)
    const isMessage = message.readInt32LE(12) === 2013
    const reply = this.#run(isMessage ? readSections(message) : readQuery(message))
    const body = Buffer.from(BSON.serialize(reply))
    const prefix = isMessage ? Buffer.alloc(5) : Buffer.alloc(20)
    if (!isMessage) prefix.writeInt32LE(1, 16)
    const header = Buffer.alloc(16)
    header.writeInt32LE(16 + prefix.length + body.length, 0)
    header.writeInt32LE(id, 8)
    header.writeInt32LE(isMessage ? 2013 : 1, 12)
    socket.write(Buffer.concat([header, prefix, body]))
  }

  #run(command: Doc): Doc {
    const [name = ''] = Object.keys(command)
    try {
      return { ok: 1, ...this.#command(name, command) }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      const labels = error.labels.length === 0 ? {} : { errorLabels: error.labels }
      return { ok: 0, code: error.code, errmsg: error.message, ...labels }
    }
  }

  #command(name: string, command: Doc): Doc {
    const collection = String(command[name])
    const transaction = this.#transaction(command)
    const data = transaction?.data ?? this.#data
    const docs = data.get(collection) ?? []
    data.set(collection, docs)
    switch (name) {
      case 'hello':
      case 'isMaster':
      case 'ismaster':
        return greeting()
      case 'insert':
        return this.#insert(docs, command['documents'] as Doc[], collection, transaction)
      case 'find': {
        const limit = Number(command['limit'] ?? 0)
        const found = docs.filter(doc => matches(doc, command['filter'] as Doc))
        const read = found.map(doc => projected(doc, command['projection'] as Doc | undefined))
        return cursor(collection, limit > 0 ? read.slice(0, limit) : read)
      }
      case 'aggregate': {
        const [match] = command['pipeline'] as Doc[]
        const n = docs.filter(doc => matches(doc, match?.['$match'] as Doc)).length
        return cursor(collection, n === 0 ? [] : [{ _id: 1, n }])
      }
      case 'update':
        return this.#update(docs, command['updates'] as Doc[], collection, transaction)
      case 'delete':
        return this.#delete(docs, command['deletes'] as Doc[], transaction)
      case 'createIndexes':
        for (const { key, unique } of command['indexes'] as { key: Doc; unique?: boolean }[]) {
          if (unique === true) this.#unique.set(collection, Object.keys(key))
        }
        return {}
      case 'commitTransaction':
        this.#commit(command)
        return {}
      case 'abortTransaction':
        this.#transactions.delete(sessionOf(command))
        return {}
      default:
        return {}
    }
  }

  #transaction(command: Doc): Transaction | undefined {
    if (command['autocommit'] !== false) return undefined
    const session = sessionOf(command)
    if (command['startTransaction'] === true)
      this.#transactions.set(session, { data: copyOf(this.#data), written: new Set() })
    return this.#transactions.get(session)
  }

  #commit(command: Doc): void {
    const session = sessionOf(command)
    const transaction = this.#transactions.get(session)
    this.#transactions.delete(session)
    for (const [collection, docs] of transaction?.data ?? []) {
      const others = (this.#data.get(collection) ?? []).filter(
        doc => transaction?.written.has(String(doc['_id'])) !== true,
      )
      const own = docs.filter(doc => transaction?.written.has(String(doc['_id'])) === true)
      this.#data.set(collection, [...others, ...own])
    }
  }

  #claim(doc: Doc, transaction: Transaction | undefined): void {
    const id = String(doc['_id'])
    for (const other of this.#transactions.values()) {
      if (other === transaction || !other.written.has(id)) continue
      throw new CommandError(112, 'WriteConflict', ['TransientTransactionError'])
    }
    transaction?.written.add(id)
  }

  #insert(
    docs: Doc[],
    added: Doc[],
    collection: string,
    transaction: Transaction | undefined,
  ): Doc {
    for (const doc of added) {
      const failure = this.#duplicate(docs, doc, collection)
      if (failure !== undefined) return { n: 0, writeErrors: [{ index: 0, ...failure }] }
      this.#claim(doc, transaction)
      docs.push(doc)
    }
    return { n: added.length }
  }

  #update(
    docs: Doc[],
    updates: Doc[],
    collection: string,
    transaction: Transaction | undefined,
  ): Doc {
    let n = 0
    for (const { q, u, multi } of updates) {
      const found = docs.filter(doc => matches(doc, q as Doc))
      for (const doc of multi === true ? found : found.slice(0, 1)) {
        const changed = changedBy(doc, (u as Doc)['$set'] as Doc | undefined)
        const others = docs.filter(other => other !== doc)
        const failure = this.#duplicate(others, changed, collection)
        if (failure !== undefined) return { n: 0, writeErrors: [{ index: 0, ...failure }] }
        this.#claim(doc, transaction)
        Object.assign(doc, changed)
        n++
      }
    }
    return { n, nModified: n }
  }

  #delete(docs: Doc[], deletes: Doc[], transaction: Transaction | undefined): Doc {
    let n = 0
    for (const { q, limit } of deletes) {
      const found = docs.filter(doc => matches(doc, q as Doc))
      for (const doc of limit === 1 ? found.slice(0, 1) : found) {
        this.#claim(doc, transaction)
        docs.splice(docs.indexOf(doc), 1)
        n++
      }
    }
    return { n }
  }

  #duplicate(docs: readonly Doc[], doc: Doc, collection: string): Doc | undefined {
    const keys = this.#unique.get(collection) ?? []
    const taken = keys.some(key => docs.some(other => other[key] === doc[key]))
    return taken ? { code: 11000, errmsg: 'E11000 duplicate key error' } : undefined
  }
}

function greeting(): Doc {
  return {
    helloOk: true,
    isWritablePrimary: true,
    ismaster: true,
    setName: 'test',
    hosts: ['127.0.0.1:1'],
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion: 25,
    readOnly: false,
  }
}

/** Section 0 is the command, sections 1 are lists of documents that belong to it. */
function readSections(message: Buffer): Doc {
  let command: Doc = {}
  const lists: Doc = {}
  for (let at = 20; at < message.length; ) {
    const kind = message[at]
    const size = message.readInt32LE(at + 1)
    if (kind === 0) command = BSON.deserialize(message.subarray(at + 1, at + 1 + size))
    else {
      const end = message.indexOf(0, at + 5)
      const docs: Doc[] = []
      for (let from = end + 1; from < at + 1 + size; from += message.readInt32LE(from))
        docs.push(BSON.deserialize(message.subarray(from, from + message.readInt32LE(from))))
      lists[message.toString('utf8', at + 5, end)] = docs
    }
    at += 1 + size
  }
  return { ...command, ...lists }
}

function readQuery(message: Buffer): Doc {
  const end = message.indexOf(0, 20)
  return BSON.deserialize(message.subarray(end + 9))
}

function cursor(collection: string, firstBatch: readonly Doc[]): Doc {
  return { cursor: { id: BSON.Long.ZERO, ns: `test.${collection}`, firstBatch } }
}

function sessionOf(command: Doc): string {
  const { id } = command['lsid'] as { id: { toString(encoding: string): string } }
  return id.toString('hex')
}

function copyOf(data: Collections): Collections {
  return new Map([...data].map(([name, docs]) => [name, docs.map(doc => ({ ...doc }))]))
}

function valueAt(doc: Doc, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), doc)
}

/** The document with other values at some paths. */
function changedBy(doc: Doc, values: Doc = {}): Doc {
  const changed = structuredClone({ ...doc, _id: undefined })
  for (const [path, value] of Object.entries(values)) {
    const keys = path.split('.')
    const parent = keys.slice(0, -1).reduce<Doc>((inner, key) => {
      inner[key] ??= {}
      return inner[key] as Doc
    }, changed)
    parent[keys.at(-1) ?? ''] = value
  }
  return { ...changed, _id: doc['_id'] }
}

/** Projections of paths at the top that are to be there. */
function projected(doc: Doc, projection: Doc = {}): Doc {
  const paths = Object.keys(projection).filter(path => path !== '_id')
  if (paths.length === 0) return doc
  return Object.fromEntries(['_id', ...paths].map(path => [path, doc[path]]))
}

function matches(doc: Doc, filter: Doc | undefined): boolean {
  return Object.entries(filter ?? {}).every(([key, wanted]) => {
    const value = valueAt(doc, key)
    if (typeof wanted === 'object' && wanted !== null && '$in' in wanted)
      return (wanted.$in as unknown[]).some(item => String(item) === String(value))
    if (wanted === null || wanted === undefined) return value === null || value === undefined
    return String(value) === String(wanted)
  })
}
