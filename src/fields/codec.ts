import { type Bytes, ownBytes } from '../core/bytes.ts'
import { StorageError, ValidationError } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { FieldFile } from './field-file.ts'
import { isPending } from './field-host.ts'
import { fieldOf } from './registry.ts'
import { rowFields } from './rows.ts'

/** First member of an encoded text: what is something else is refused. */
const format = 'stowage-1'

/**
 * One node of an encoded structure. Values are lists with a kind in front, so that no string or
 * object of a program can be taken for one of them; members are positions of other nodes.
 */
type Node = null | boolean | number | string | readonly [kind: string, ...parts: unknown[]]

/** Puts structures with files into caches and takes them out again. */
export interface FileCodec {
  /**
   * Text of plain objects, arrays, maps, sets, dates, bytes, big integers, files of fields and rows
   * of the adapters and other objects that hold a file (as plain objects with their columns and
   * files). An object whose class has a `toJSON()` is kept as what that gives: an id or a decimal
   * of a database as its text. Repeated and circular references are kept. Nothing of a storage is
   * in it.
   *
   * @throws ValidationError for content that is not stored yet, and for what cannot be kept, naming
   *   where it is: functions, regular expressions, errors, objects of other classes
   * @throws ImproperlyConfigured for a file whose field has no id
   */
  encode(value: unknown): string
  /**
   * What was encoded. Files belong to the field that has their id here and now: the text names no
   * class and no storage.
   *
   * @throws ValidationError for text that `encode` did not make
   * @throws ImproperlyConfigured for a field that nobody has registered
   */
  decode(text: string): unknown
}

export const fileCodec: FileCodec = {
  encode: value => {
    const encoder = new Encoder()
    try {
      encoder.add(value)
    } catch (error) {
      // A `toJSON()` may throw a RangeError of its own.
      if (!(error instanceof RangeError && /call stack/i.test(error.message))) throw error
      throw new ValidationError('The structure is too deep for a cache.', {
        operation: 'encode',
        cause: error,
      })
    }
    return JSON.stringify([format, ...encoder.nodes])
  },
  decode: text => {
    try {
      return new Decoder(parse(text)).value(0)
    } catch (error) {
      if (error instanceof StorageError) throw error
      // Big integers of letters, references without end: nothing that was encoded.
      throw notEncoded()
    }
  },
}

/** A file of a field, or a row of an adapter that is no plain object. */
export function isFileOrRow(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return value instanceof FieldFile || typeof Reflect.get(value, rowFields) === 'object'
}

/** What caches keep of a file: the id of its field, and its name. */
function portableFile(file: FieldFile): readonly [id: string, name: string | null] {
  if (file[isPending]) {
    throw new ValidationError(
      `${JSON.stringify(file.name)} is not stored yet: save its row before it goes into a cache.`,
      { operation: 'encode', file: file.name ?? undefined },
    )
  }
  return [file.field.id, file.name]
}

/** The file of a field by what a cache kept; it belongs to no row. @throws ImproperlyConfigured */
function revivedFile(id: unknown, name: unknown): FieldFile {
  if (typeof id === 'string' && (typeof name === 'string' || name === null))
    return fieldOf(id).file(name)
  throw notEncoded()
}

/** Columns and files of a row of an adapter; `undefined` for everything else. */
function rowOf(value: object): Record<string, unknown> | undefined {
  const fields: unknown = Reflect.get(value, rowFields)
  if (typeof fields !== 'object' || fields === null) return undefined
  const row: Record<string, unknown> = {}
  const plain: unknown =
    'toRow' in fields && typeof fields.toRow === 'function' ? fields.toRow(value) : value
  Object.assign(row, plain)
  for (const property of Object.keys(fields)) {
    if (property !== 'toRow') row[property] = Reflect.get(value, property)
  }
  return row
}

/** How a member is reached: a key, an index, or the place in a map or a set. */
type Step = string | number | readonly [of: 'keys' | 'values', index: number]

class Encoder {
  readonly nodes: Node[] = []
  readonly #seen = new Map<unknown, number>()
  /** Where the value is that is being added. */
  readonly #path: Step[] = []

  add(value: unknown): number {
    const known = this.#seen.get(value)
    if (known !== undefined) return known
    const position = this.nodes.push(null) - 1
    // A map takes 0 and -0 for one.
    if (typeof value !== 'number') this.#seen.set(value, position)
    this.nodes[position] = this.#node(value)
    return position
  }

  #addAt(step: Step, value: unknown): number {
    this.#path.push(step)
    const position = this.add(value)
    this.#path.pop()
    return position
  }

  #node(value: unknown): Node {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value
      case 'number':
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : ['number', String(value === 0 ? '-0' : value)]
      case 'bigint':
        return ['bigint', String(value)]
      case 'undefined':
        return ['undefined']
      case 'object':
        return value === null ? null : this.#object(value)
      default:
        throw this.#refusal(`a ${typeof value}`)
    }
  }

  #object(value: object): Node {
    const node = this.#known(value)
    if (node !== undefined) return node
    const row = rowOf(value)
    if (row !== undefined) return this.#members(row)
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return this.#written(value.toJSON())
    return this.#plain(value)
  }

  /** What `toJSON` gave, of which it is not asked again. */
  #written(value: unknown): Node {
    if (typeof value !== 'object' || value === null) return this.#node(value)
    return this.#known(value) ?? this.#plain(value)
  }

  #known(value: object): Node | undefined {
    if (value instanceof FieldFile) return ['file', ...portableFile(value)]
    if (value instanceof Date)
      return ['date', Number.isNaN(value.getTime()) ? null : value.toISOString()]
    if (value instanceof Uint8Array) return ['bytes', toBase64(value)]
    // What an array lacks stays a hole: `map` passes over it, and JSON makes it null.
    if (Array.isArray(value))
      return ['array', ...value.map((item, index) => this.#addAt(index, item))]
    if (value instanceof Map) return ['map', ...this.#entries(value)]
    if (value instanceof Set)
      return ['set', ...[...value].map((item, index) => this.#addAt(['values', index], item))]
    return undefined
  }

  #entries(map: ReadonlyMap<unknown, unknown>): number[] {
    return [...map].flatMap(([key, value], index) => [
      this.#addAt(['keys', index], key),
      this.#addAt(['values', index], value),
    ])
  }

  #plain(value: object): Node {
    if (!isPlain(value) && !holdsFile(value)) throw this.#refusal(kindOfInstance(value), remedy)
    return this.#members(value)
  }

  #members(value: object): Node {
    const members = Object.entries(value)
    return ['object', ...members.flatMap(([key, member]) => [key, this.#addAt(key, member)])]
  }

  #refusal(what: string, hint = ''): ValidationError {
    return new ValidationError(
      `${pathText(this.#path)} is ${what}, which cannot go into a cache${hint}.`,
      { operation: 'encode' },
    )
  }
}

const remedy = ': make it text, bytes or a plain object first, or give its class a toJSON()'

/** Whether an object is one of no class, also one of another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether it is a row of a program that makes its rows itself: these are plain for a cache, too. */
function holdsFile(value: object): boolean {
  return Object.values(value).some(member => member instanceof FieldFile)
}

function kindOfInstance(value: object): string {
  const { constructor: made } = value
  const isNamed = typeof made === 'function' && made.name !== ''
  return isNamed ? `an object of the class ${made.name}` : 'an object of a class without a name'
}

function pathText(path: readonly Step[]): string {
  const text = path.map(step => {
    if (typeof step === 'number') return `[${step}]`
    if (typeof step === 'object') return `.${step[0]}()[${step[1]}]`
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(step) ? `.${step}` : `[${quoteName(step)}]`
  })
  return `value${text.join('')}`
}

class Decoder {
  readonly #nodes: readonly unknown[]
  readonly #values = new Map<number, unknown>()

  constructor(nodes: readonly unknown[]) {
    this.#nodes = nodes
  }

  value(position: unknown): unknown {
    if (typeof position !== 'number' || !(position in this.#nodes)) throw notEncoded()
    if (this.#values.has(position)) return this.#values.get(position)
    const node = this.#nodes[position]
    if (Array.isArray(node)) return this.#revive(position, node)
    if (typeof node === 'object' && node !== null) throw notEncoded()
    return node
  }

  #revive(position: number, [kind, ...parts]: unknown[]): unknown {
    const [first, second] = parts
    // Those that have members are known before their members are: they may refer back.
    const keep = <T>(value: T): T => {
      this.#values.set(position, value)
      return value
    }
    switch (kind) {
      case 'file':
        return keep(revivedFile(first, second))
      case 'date':
        return keep(new Date(typeof first === 'string' ? first : Number.NaN))
      case 'bytes':
        return keep(fromBase64(String(first)))
      case 'number':
        return Number(first)
      case 'bigint':
        return BigInt(String(first))
      case 'undefined':
        return undefined
      case 'array':
        return this.#fill(keep<unknown[]>([]), parts)
      case 'set':
        return this.#fillSet(keep(new Set()), parts)
      case 'map':
        return this.#fillMap(keep(new Map()), parts)
      case 'object':
        return this.#fillObject(keep({}), parts)
      default:
        throw notEncoded()
    }
  }

  #fill(array: unknown[], parts: readonly unknown[]): unknown[] {
    for (const part of parts) {
      if (part === null) array.length++
      else array.push(this.value(part))
    }
    return array
  }

  #fillSet(set: Set<unknown>, parts: readonly unknown[]): Set<unknown> {
    for (const part of parts) set.add(this.value(part))
    return set
  }

  #fillMap(map: Map<unknown, unknown>, parts: readonly unknown[]): Map<unknown, unknown> {
    for (let i = 0; i < parts.length; i += 2)
      map.set(this.value(parts[i]), this.value(parts[i + 1]))
    return map
  }

  /** Defined, not assigned: `__proto__` is a member like any other. */
  #fillObject(object: object, parts: readonly unknown[]): object {
    for (let i = 0; i < parts.length; i += 2) {
      const value = this.value(parts[i + 1])
      Object.defineProperty(object, String(parts[i]), {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return object
  }
}

function parse(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed[0] === format) return parsed.slice(1)
  } catch {
    // Said below.
  }
  throw notEncoded()
}

function notEncoded(): ValidationError {
  return new ValidationError('The text was not made by fileCodec.encode().', {
    operation: 'decode',
  })
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function fromBase64(text: string): Bytes {
  return ownBytes(new Uint8Array(Buffer.from(text, 'base64')))
}
