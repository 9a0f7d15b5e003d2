/** What a storage knows of a file without reading it. */
export interface FileStat {
  /** Relative to the storage's location. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly modifiedTime: Date
  /** Opaque version, to be given back as `ifMatch`. Changes whenever the content is replaced. */
  readonly etag?: string | undefined
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  readonly cacheControl?: string | undefined
  readonly contentDisposition?: string | undefined
  /** Lower-case names. Absent in listings of services that do not list it. */
  readonly metadata?: Record<string, string> | undefined
  readonly createdTime?: Date | undefined
  readonly accessedTime?: Date | undefined
}
