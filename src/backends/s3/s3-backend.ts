import type {
  Backend,
  BackendUrlOptions,
  Capabilities,
  CopyOptions,
  FileProperties,
  ListOptions,
  ListPage,
  OperationOptions,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from '../../core/backend.ts'
import { utf8Length } from '../../core/bytes.ts'
import { type ContentSource, checkLength } from '../../core/content.ts'
import { contentTypeOf } from '../../core/content-type.ts'
import { copyThrough } from '../../core/copy.ts'
import {
  FileNotFoundError,
  ImproperlyConfigured,
  IntegrityError,
  noSuchFile,
  PreconditionFailedError,
  UnsupportedError,
  ValidationError,
} from '../../core/errors.ts'
import type { FileStat } from '../../core/file-stat.ts'
import { baseName, type Folder, filepathToUri, maxKeyBytes, type Name } from '../../core/names.ts'
import { queryOf } from '../../core/public-url.ts'
import { withAccess } from './access-engine.ts'
import { ensureBucket } from './bucket.ts'
import { encodingFromName, encodingOfSvgz } from './content-encoding.ts'
import { contentDisposition } from './encoding.ts'
import type { GetOptions, ListResult, PresignOptions, S3Engine, StreamContent } from './engine.ts'
import type { LargeWrite } from './large-write.ts'
import {
  type AccessParameters,
  accessHeaders,
  accessParameters,
  copyParameters,
  isOfCustomerKey,
  type ObjectParameters,
} from './object-parameters.ts'
import {
  defaultGzipTypes,
  defaultTransfer,
  maxExpiry,
  minPartSize,
  type S3Settings,
} from './options.ts'
import { PageCircle } from './page-circle.ts'
import { knownPartSize } from './part-buffers.ts'
import { type Part, PartReader } from './part-reader.ts'
import type { PostCondition, PostForm } from './post-policy.ts'
import type { EngineSubject } from './probe-offer.ts'
import { type ProviderProfile, profileOf } from './profiles.ts'
import { type StorageParameters, storageParameters } from './storage-parameters.ts'
import { TakenError } from './taken-error.ts'
import { isTemporaryKey, temporaryPrefix } from './temporary-key.ts'
import { type UrlRequest, urlRequest } from './url-parameters.ts'
import { withoutUndefined } from './without-undefined.ts'

/** What {@link TransferConfig} and `maxMemorySize` say, with the defaults for what they do not. */
interface Transfer {
  readonly partSize: number
  readonly concurrency: number
  readonly multipartThreshold: number
  readonly memory: number | undefined
}

/** What a form is asked for. */
export interface BackendFormOptions {
  /** Seconds; default `querystringExpire`. */
  readonly expiresIn?: number | undefined
  /** Further fields, such as `Content-Type` or `success_action_status`. */
  readonly fields?: Readonly<Record<string, string>> | undefined
  /** Fields that none is about have to be as they are given. */
  readonly conditions?: readonly PostCondition[] | undefined
  /** Largest file in bytes. */
  readonly maxSize?: number | undefined
}

/** Files as objects of a bucket, below a location, over one {@link S3Engine}. */
export class S3Backend implements Backend {
  readonly name: string
  readonly capabilities: Capabilities
  readonly maxMemorySize: number | undefined
  readonly #openEngine: () => Promise<S3Engine>
  readonly #options: S3Settings
  readonly #prefix: string
  /** Loaded, and its bucket made where that is wanted: ready for requests. */
  #opened: S3Engine | undefined
  #opening: Promise<S3Engine> | undefined
  #loading: Promise<S3Engine> | undefined
  /** As {@link #opened}, but for the bucket. */
  #loaded: S3Engine | undefined
  readonly #transfer: Transfer
  readonly #parameters: StorageParameters
  /** What requests about a name say besides; `undefined`: none of them does. */
  readonly #accessOf: ((name: string) => AccessParameters | undefined) | undefined
  /** Content types that are compressed; `undefined`: none. */
  readonly #gzip: ReadonlySet<string> | undefined

  /**
   * @internal
   * @param openEngine called at the first use; may reject with what is missing in the options
   */
  constructor(openEngine: () => Promise<S3Engine>, options: S3Settings) {
    const location = (options.location ?? '').replace(/\/$/, '')
    this.name = `s3(${options.bucketName ?? ''})`
    this.#openEngine = openEngine
    this.#options = options
    this.#prefix = location === '' ? '' : `${location}/`
    this.#transfer = transferOf(options)
    this.maxMemorySize = this.#transfer.memory
    this.#parameters = storageParameters(options)
    this.#accessOf = accessOf(this.#parameters)
    this.#gzip = options.gzip ? new Set(options.gzipContentTypes ?? defaultGzipTypes) : undefined
    this.capabilities = {
      properties: true,
      // An ACL that the service drops would be an option without effect.
      acl: !['refused', 'ignored'].includes(profileOf(options).acls),
      ifMatch: true,
      createdTime: false,
      accessedTime: false,
      overlappingFolders: true,
      absentFolder: 'empty',
      maxNameBytes: maxKeyBytes - utf8Length(this.#prefix),
      maxSegmentBytes: undefined,
    }
  }

  async head(name: Name, options: OperationOptions): Promise<FileStat> {
    const key = this.#existingKey(name)
    try {
      return { name, ...(await (this.#opened ?? (await this.#open())).headObject(key, options)) }
    } catch (error) {
      throw nameMissing(name, error)
    }
  }

  async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const key = this.#existingKey(name)
    const { ifMatch, signal } = options
    const range = rangeOf(options)
    if (range?.end !== undefined && range.end <= range.start)
      return await this.#readNothing(name, options)
    try {
      const { head, start, end, body } = await (this.#opened ?? (await this.#open())).getObject(
        key,
        {
          range,
          ifMatch,
          signal,
        },
      )
      return { stat: { name, ...head }, start, end, body }
    } catch (error) {
      throw nameMissing(name, error)
    }
  }

  async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    if (typeof options.condition === 'object' && !isVersion(options.condition.ifMatch))
      throw anotherVersion()
    return options.asIs !== true && this.#isToCompress(name, content, options)
      ? await this.#writeCompressed(name, content, options)
      : await this.#writeAsIs(name, content, options)
  }

  compresses(name: Name, properties: FileProperties): boolean {
    return this.#isToCompress(name, undefined, properties)
  }

  /** Whether the content is compressed: by the type with which it would be stored. */
  #isToCompress(name: Name, content: ContentSource | undefined, options: FileProperties): boolean {
    if (this.#gzip === undefined) return false
    const { ContentType: type = '', ContentEncoding: encoding } = this.#writeParameters(
      name,
      content,
      options,
    )
    return encoding === undefined && this.#gzip.has(type.replace(/\s*;.*$/s, ''))
  }

  /** `onProgress` hears of the bytes that were given, not of what became of them. */
  async #writeCompressed(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const { onProgress } = options
    // Loaded at the first use: importing a storage costs nothing.
    const { gzipped } = await import('./gzip-content.ts')
    const compressed = await gzipped(content, this.#transfer.multipartThreshold)
    return await this.#writeAsIs(name, compressed, {
      ...options,
      contentEncoding: 'gzip',
      onProgress: onProgress && (() => onProgress(compressed.consumed)),
    })
  }

  async #writeAsIs(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const { partSize, multipartThreshold } = this.#transfer
    const { size } = content
    const single = size !== undefined && size <= multipartThreshold
    if (single && content.bytes !== undefined)
      return await this.#putFirst(name, content, content.bytes, options)
    // Some services want all parts of one size; a stream then ends at 10,000 of them.
    const engine = this.#opened ?? (await this.#open())
    const { equalParts, maxParts } = profileIn(engine, this.#options).limits
    const open = equalParts ? partSize : undefined
    const evenSize = size === undefined ? open : knownPartSize(size, partSize, maxParts)
    const large = single ? undefined : await this.#largeWrite(content, options, evenSize)
    if (large?.fitsOneRequest === true && size !== undefined)
      return await large.putAtOnce(name, streamOf(content, size, options.onProgress))
    const reader = new PartReader(content)
    try {
      const first = await reader.next(single ? size : (evenSize ?? partSize))
      if (first.last) return await this.#putFirst(name, content, first.bytes, options)
      return await this.#writeLarge(name, content, first, reader, options, evenSize)
    } finally {
      await reader.stop()
    }
  }

  async delete(name: Name, options: OperationOptions): Promise<void> {
    if (this.#isTooLong(name)) return
    await (this.#opened ?? (await this.#open())).deleteObject(this.#prefix + name, options)
  }

  async deleteMany(
    names: readonly Name[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<Name, unknown>> {
    const keys = names.filter(name => !this.#isTooLong(name)).map(name => this.#prefix + name)
    if (keys.length === 0) return new Map()
    const failed = await (this.#opened ?? (await this.#open())).deleteObjects(keys, options)
    const entries = [...failed].map(
      ([key, error]) => [key.slice(this.#prefix.length) as Name, error] as const,
    )
    return new Map(entries)
  }

  async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const prefix = this.#prefix + options.folder
    const delimiter = options.recursive ? undefined : '/'
    const circle = new PageCircle('a listing')
    let token: string | undefined
    do {
      const page = await (this.#opened ?? (await this.#open())).listObjects({
        prefix,
        delimiter,
        token,
        signal: options.signal,
      })
      checkPage(page, prefix, circle)
      const objects = page.objects.filter(
        ({ key }) => key !== prefix && !isTemporaryKey(key, this.#prefix),
      )
      yield {
        files: objects.map(({ key, size, lastModified, etag }) => ({
          name: key.slice(this.#prefix.length),
          size,
          modifiedTime: new Date(lastModified),
          etag,
        })),
        folders: page.prefixes.map(folder => folder.slice(this.#prefix.length) as Folder),
      }
      token = page.nextToken
    } while (token !== undefined)
  }

  async copy(from: Name, to: Name, options: CopyOptions): Promise<void> {
    // Few services check a condition on CopyObject, and those that do not replace the file. A PUT
    // with a condition is safe everywhere. See docs/s3.md.
    if (options.condition === 'absent') return await copyThrough(this, from, to, options)
    const parameters = copyParameters(this.#writeParameters(to, undefined, {}))
    const request = { parameters, signal: options.signal }
    try {
      await (this.#opened ?? (await this.#open())).copyObject(
        this.#existingKey(from),
        this.#prefix + to,
        request,
      )
    } catch (error) {
      throw nameMissing(from, error)
    }
  }

  /** With no promise more than it needs: there is nothing to wait for once the engine is loaded. */
  url(name: Name, options: BackendUrlOptions): Promise<string> {
    try {
      const { customDomain } = this.#options
      if (customDomain && options.method !== 'PUT')
        return this.#domainUrl(customDomain, name, options)
      const request = this.#presignOptions(name, options)
      const key = this.#prefix + name
      // A URL asks for nothing, so its bucket need not be there yet.
      const engine = this.#opened ?? this.#loaded
      return engine === undefined
        ? this.#load().then(loaded => loaded.presign(key, request))
        : engine.presign(key, request)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #presignOptions(name: Name, options: BackendUrlOptions): PresignOptions {
    const { querystringAuth, querystringExpire, signatureVersion } = this.#options
    const { method } = options
    if (signatureVersion !== 's3') checkExpiry(options.expiresIn)
    const signed = querystringAuth ?? true
    const asked = urlRequest(method, this.#urlParameters(name, options))
    const { query, headers } =
      this.#accessOf === undefined ? asked : withAccessIn(asked, this.#accessOf(name))
    if (!signed) refuseUnsigned(method, query, headers)
    const expiresIn = signed ? (options.expiresIn ?? querystringExpire ?? 3600) : undefined
    return { method, expiresIn, query, headers }
  }

  /**
   * A signed form for one upload by a browser, with which the file gets what the storage stores with
   * each.
   *
   * @param name may end in `${filename}`
   */
  async postForm(name: Name, options: BackendFormOptions): Promise<PostForm> {
    const { fields: given = {}, conditions: ruled = [], maxSize } = options
    // Loaded at the first use, as large writes are: importing a storage costs little.
    const form = await import('./form-fields.ts')
    form.checkForm({ fields: given, conditions: ruled, maxSize })
    const { ContentType, ...others } = this.#writeParameters(name, undefined, {})
    // The type of a file whose name the browser gives is not known; the browser's form may say it.
    const stored = name.endsWith(form.filenameVariable) ? others : { ...others, ContentType }
    const free = Object.entries(form.parameterFields(stored)).filter(
      ([field]) =>
        !ruled.some(condition => form.isAbout(condition, field)) &&
        !Object.keys(given).some(own => own.toLowerCase() === field),
    )
    const fields = { ...Object.fromEntries(free), ...given }
    const size: PostCondition[] =
      maxSize === undefined ? [] : [['content-length-range', 0, maxSize]]
    const conditions = form.conditionsFor(fields, [...ruled, ...size])
    const expiresIn = options.expiresIn ?? this.#options.querystringExpire ?? 3600
    const engine = this.#opened ?? (await this.#load())
    return await engine.postForm(this.#prefix + name, { fields, conditions, expiresIn })
  }

  async cleanupUploads(
    options: OperationOptions & { readonly olderThan: number },
  ): Promise<readonly string[]> {
    const before = Date.now() - options.olderThan * 1000
    const removed: string[] = []
    const engine = this.#opened ?? (await this.#open())
    for await (const upload of engine.listUploads(this.#prefix, options)) {
      // Not every service heeds the prefix, and what is elsewhere belongs to somebody else.
      if (!upload.key.startsWith(this.#prefix) || upload.initiated > before) continue
      await engine.abortUpload(upload.key, upload.uploadId, options)
      removed.push(`upload ${upload.uploadId} of ${upload.key.slice(this.#prefix.length)}`)
    }
    for (const key of await this.#leftKeys(engine, before, options.signal)) {
      await engine.deleteObject(key, options)
      removed.push(`object ${key.slice(this.#prefix.length)}`)
    }
    return removed
  }

  /** Contents that died on their way to a name. */
  async #leftKeys(
    engine: S3Engine,
    before: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly string[]> {
    const prefix = temporaryPrefix(this.#prefix)
    const keys: string[] = []
    const circle = new PageCircle('a listing')
    let token: string | undefined
    do {
      const page = await engine.listObjects({ prefix, delimiter: undefined, token, signal })
      checkPage(page, prefix, circle)
      for (const { key, lastModified } of page.objects)
        if (isTemporaryKey(key, this.#prefix) && lastModified <= before) keys.push(key)
      token = page.nextToken
    } while (token !== undefined)
    return keys
  }

  /**
   * For the doctor: the engine as it is, whose bucket nobody makes.
   *
   * @internal
   */
  async subject(): Promise<EngineSubject> {
    const { bucketName = '' } = this.#options
    const accessOf = (name: string): AccessParameters | undefined => this.#accessOf?.(name)
    return { engine: await this.#load(), bucketName, prefix: this.#prefix, accessOf }
  }

  /** The engine is loaded at the first use: programs that only import a storage need none. */
  async #open(): Promise<S3Engine> {
    this.#opening ??= this.#prepare().finally(() => {
      this.#opening = undefined
    })
    this.#opened = await this.#opening
    return this.#opened
  }

  async #prepare(): Promise<S3Engine> {
    const engine = await this.#load()
    if (this.#options.autoCreateBucket === true) await ensureBucket(engine, this.#options)
    return engine
  }

  async #load(): Promise<S3Engine> {
    this.#loading ??= this.#openEngine().catch(error => {
      this.#loading = undefined
      throw error
    })
    const engine = await this.#loading
    const access = this.#accessOf
    this.#loaded ??=
      access === undefined
        ? engine
        : withAccess(engine, key => access(key.slice(this.#prefix.length)))
    return this.#loaded
  }

  /** Key of a name to be read. One that no bucket can hold is missing, without asking. */
  #existingKey(name: Name): string {
    if (this.#isTooLong(name)) throw noSuchFile(name)
    return this.#prefix + name
  }

  #isTooLong(name: Name): boolean {
    return (
      name.length * 3 > this.capabilities.maxNameBytes &&
      utf8Length(name) > this.capabilities.maxNameBytes
    )
  }

  async #readNothing(name: Name, options: ReadOptions): Promise<ReadResult> {
    const stat = await this.head(name, options)
    if (options.ifMatch !== undefined && options.ifMatch !== stat.etag) throw anotherVersion()
    const at = Math.min(options.start ?? 0, stat.size)
    const bytes = new Uint8Array(0)
    return {
      stat,
      start: at,
      end: at,
      body: { bytes: async () => bytes, async *chunks() {}, cancel() {} },
    }
  }

  /** Stores the whole content with one request; under another name as long as it is taken. */
  async #putFirst(
    name: Name,
    content: ContentSource,
    bytes: Uint8Array,
    options: WriteOptions,
  ): Promise<Name> {
    const { condition, nextName, signal } = options
    const length = bytes.byteLength
    for (let candidate = name; ; ) {
      try {
        const parameters = this.#writeParameters(candidate, content, options)
        const engine = this.#opened ?? (await this.#open())
        checkLength(bytes, length)
        await engine.putObject(this.#prefix + candidate, bytes, { parameters, condition, signal })
        options.onProgress?.(length)
        return candidate
      } catch (error) {
        // An SDK says of memory that was given away that something else is wrong.
        checkLength(bytes, length)
        if (!(error instanceof PreconditionFailedError) || nextName === undefined) throw error
        candidate = nextName()
      }
    }
  }

  async #writeLarge(
    name: Name,
    content: ContentSource,
    first: Part,
    reader: PartReader,
    options: WriteOptions,
    evenSize: number | undefined,
  ): Promise<Name> {
    const write = await this.#largeWrite(content, options, evenSize)
    try {
      return await write.upload(name, first, reader)
    } catch (error) {
      if (!(error instanceof TakenError) || options.nextName === undefined) throw error
      return await this.write(options.nextName(), content, options)
    }
  }

  async #largeWrite(
    content: ContentSource,
    options: WriteOptions,
    evenSize: number | undefined,
  ): Promise<LargeWrite> {
    const { partSize, concurrency, memory } = this.#transfer
    const engine = this.#opened ?? (await this.#open())
    const { LargeWrite } = await import('./large-write.ts')
    const setup = {
      engine,
      prefix: this.#prefix,
      profile: profileIn(engine, this.#options),
      partSize,
      concurrency,
      memory,
      parametersOf: (name: Name) => this.#writeParameters(name, content, options),
    }
    return new LargeWrite(setup, content, options, evenSize)
  }

  /**
   * What is stored with the object: what the call gives, else what the settings give, else what
   * the content itself carries, else what the name stands for.
   */
  #writeParameters(
    name: Name,
    content: ContentSource | undefined,
    options: Partial<WriteOptions>,
  ): ObjectParameters {
    const configured =
      typeof this.#parameters === 'function' ? this.#parameters(name) : this.#parameters
    const guess = this.#options.contentEncodingFromName
      ? encodingFromName(name)
      : encodingOfSvgz(name)
    if (configured.ACL !== undefined && profileOf(this.#options).acls === 'refused')
      throw this.#noAcls(configured.ACL)
    const explicitType = options.contentType ?? configured.ContentType
    return {
      ...configured,
      ACL: options.acl ?? configured.ACL,
      CacheControl: options.cacheControl ?? configured.CacheControl,
      ContentDisposition: options.contentDisposition ?? configured.ContentDisposition,
      ContentEncoding:
        options.contentEncoding ??
        configured.ContentEncoding ??
        (configured.ContentType === undefined ? guess.encoding : undefined),
      ContentType:
        explicitType ?? content?.type ?? contentTypeOf(guess.name) ?? 'application/octet-stream',
      Metadata: { ...configured.Metadata, ...options.metadata },
    }
  }

  #noAcls(acl: string): ImproperlyConfigured {
    const { title } = profileOf(this.#options)
    const [setting, what] =
      acl === this.#options.defaultAcl
        ? ['defaultAcl', 'set "defaultAcl" (AWS_DEFAULT_ACL) to null']
        : ['objectParameters', 'leave ACL out of "objectParameters"']
    return new ImproperlyConfigured(`${title} has no ACLs: ${what}.`, { setting })
  }

  /** A URL of the custom domain; signed by its signer, unless URLs are not to be signed. */
  async #domainUrl(domain: string, name: Name, options: BackendUrlOptions): Promise<string> {
    const url = this.#publicUrl(domain, name, options)
    const { cloudfrontSigner, querystringAuth, querystringExpire } = this.#options
    if (!cloudfrontSigner || querystringAuth === false) {
      checkExpiry(options.expiresIn)
      return url
    }
    const seconds = options.expiresIn ?? querystringExpire ?? 3600
    const expiresAt = new Date(Date.now() + seconds * 1000)
    const signed: unknown = await cloudfrontSigner(url, { expiresAt })
    if (typeof signed === 'string') return signed
    throw new ImproperlyConfigured('Option "cloudfrontSigner" gave no URL, which is a string.', {
      setting: 'cloudfrontSigner',
    })
  }

  #publicUrl(domain: string, name: Name, options: BackendUrlOptions): string {
    if (options.download !== undefined) {
      throw new UnsupportedError(
        'URLs of a custom domain cannot ask for a download: S3 wants such URLs signed.',
      )
    }
    if (options.parameters !== undefined && 'SSECustomerKey' in options.parameters)
      throw new UnsupportedError('A key of the customer travels in headers, never in a URL.')
    const { urlProtocol } = this.#options
    return `${urlProtocol ?? 'https:'}//${domain}/${filepathToUri(this.#prefix + name)}${queryOf(options.parameters)}`
  }

  #urlParameters(name: Name, options: BackendUrlOptions): BackendUrlOptions['parameters'] {
    if (options.download === undefined) return options.parameters
    if (options.method === 'PUT')
      throw new ValidationError('download makes no sense for a URL to write to.')
    const named = Object.keys(options.parameters ?? {}).find(isDisposition)
    if (named !== undefined)
      throw new ValidationError(
        `download and parameter ${named} say the same: give only one of them.`,
      )
    const file = options.download === true ? baseName(name) : options.download
    return { ...options.parameters, ResponseContentDisposition: contentDisposition(file) }
  }
}

/** With little memory parts are smaller, but never smaller than S3 takes them. */
function transferOf({ transferConfig, maxMemorySize }: S3Settings): Transfer {
  const transfer = { ...defaultTransfer, ...withoutUndefined(transferConfig ?? {}) }
  const memory = maxMemorySize || undefined
  if (memory === undefined) return { ...transfer, memory }
  const partSize = Math.min(transfer.partSize, Math.max(minPartSize, Math.floor(memory / 2)))
  const multipartThreshold = Math.min(transfer.multipartThreshold, Math.max(partSize, memory))
  return { ...transfer, partSize, multipartThreshold, memory }
}

/** Parameters of a function are not known before the name is. */
function accessOf(
  parameters: StorageParameters,
): ((name: string) => AccessParameters | undefined) | undefined {
  if (typeof parameters === 'function') return name => accessParameters(parameters(name))
  const access = accessParameters(parameters)
  return access === undefined ? undefined : () => access
}

/**
 * What a signed URL carries for its user, and what the user has to send: the customer's key, which
 * may not stand in a URL.
 */
function withAccessIn(asked: UrlRequest, access: AccessParameters | undefined): UrlRequest {
  const query = [...asked.query]
  const headers = [...asked.headers]
  const pairs = accessHeaders(access, 'object')
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [name = '', value = ''] = [pairs[i], pairs[i + 1]]
    const given = headers.some(([header]) => header === name)
    if (given) continue
    if (isOfCustomerKey(name)) headers.push([name, value])
    else query.push([name, value])
  }
  return { query, headers }
}

/** A client that somebody else configured knows where it sends its requests. */
function profileIn(engine: S3Engine, options: S3Settings): ProviderProfile {
  return engine.profile ?? profileOf(options)
}

function checkExpiry(expiresIn: number | undefined): void {
  if (expiresIn === undefined || expiresIn <= maxExpiry) return
  throw new ValidationError(
    `expiresIn is at most ${maxExpiry} seconds (7 days, the limit of S3's signatures), not ${expiresIn}.`,
  )
}

function refuseUnsigned(
  method: string,
  query: UrlRequest['query'],
  headers: UrlRequest['headers'],
): void {
  const needs = query.find(([name]) => name.startsWith('response-'))?.[0] ?? headers[0]?.[0]
  if (method !== 'PUT' && needs === undefined) return
  const what = needs === undefined ? `A ${method} URL` : `URL parameter "${needs}"`
  throw new UnsupportedError(`${what} needs a signature, and querystringAuth is off.`)
}

function isDisposition(parameter: string): boolean {
  return /^response-?content-?disposition$/i.test(parameter)
}

/** Puts the name, rather than nothing, into the message of a missing file. */
function nameMissing(name: Name, error: unknown): unknown {
  return error instanceof FileNotFoundError ? noSuchFile(name, error.cause) : error
}

function rangeOf({ start, end }: ReadOptions): GetOptions['range'] {
  return start === undefined && end === undefined ? undefined : { start: start ?? 0, end }
}

/**
 * A key from elsewhere would be taken for another one below the location, and a page that follows
 * itself has no end.
 *
 * @throws IntegrityError
 */
function checkPage(page: ListResult, prefix: string, circle: PageCircle): void {
  const inside =
    page.objects.every(({ key }) => key.startsWith(prefix)) &&
    page.prefixes.every(folder => folder.startsWith(prefix) && folder.endsWith('/'))
  if (!inside) throw new IntegrityError('The service listed what was not asked for.')
  if (page.nextToken !== undefined) circle.check(page.nextToken)
}

/** Whether a version can stand in If-Match, as one (RFC 9110, section 8.8.3). */
function isVersion(etag: string): boolean {
  return /^[\u0021\u0023-\u007e\u0080-\u00ff]*$/.test(etag)
}

function anotherVersion(): PreconditionFailedError {
  return new PreconditionFailedError('The file is not the version that "ifMatch" asks for.')
}

/** A content that is sent while it is read; `onProgress` hears what was given to the connection. */
function streamOf(
  content: ContentSource,
  size: number,
  onProgress: WriteOptions['onProgress'],
): StreamContent {
  return {
    size,
    replayable: content.replayable,
    async *chunks() {
      let sent = 0
      for await (const chunk of piecesOf(content)) {
        yield chunk
        sent += chunk.byteLength
        onProgress?.(sent)
      }
    },
  }
}

async function* piecesOf(content: ContentSource): AsyncGenerator<Uint8Array> {
  const { bytes } = content
  if (bytes === undefined) return yield* content.chunks()
  for (let at = 0; at < bytes.byteLength; at += pieceSize) yield bytes.subarray(at, at + pieceSize)
}

/** Bytes that are given to the connection at a time. */
const pieceSize = 256 * 1024
