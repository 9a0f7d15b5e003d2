/** Something that is to go wrong, for tests of how a client takes it. */
export interface S3Fault {
  /** Which requests; all that is given has to fit. The path is matched with its query. */
  match?: { method?: string | undefined; path?: string | RegExp | undefined } | undefined
  /** How often. Default 1. */
  times?: number | undefined
  /** Milliseconds before anything else happens. */
  delay?: number | undefined
  /** Answers with this status, and with `code` as S3 words errors. */
  status?: number | undefined
  /** Default `SlowDown` for 503, `InternalError` otherwise. */
  code?: string | undefined
  /** Further headers of the answer, such as `retry-after`. */
  headers?: Record<string, string> | undefined
  /** `reset` closes the connection without an answer, `stall` keeps it open without one. */
  connection?: 'reset' | 'stall' | undefined
  /** The answer's body ends after so many bytes, and the connection with it. */
  truncate?: number | undefined
  /** The request is carried out all the same: only its answer goes wrong. Always so for `truncate`. */
  applied?: boolean | undefined
}
