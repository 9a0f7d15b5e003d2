import type { Account, Accounts } from '../accounts.ts'
import type { HeaderMap } from '../message.ts'
import type { Query } from '../uri.ts'

/** What a signature is checked against. */
export interface SignedRequest {
  readonly method: string
  /** As it came, percent-encoded. */
  readonly path: string
  readonly query: Query
  /** The query as it came; the older signature needs its spelling. */
  readonly search: string
  readonly headers: HeaderMap
  /** The bucket, where the host names it: the older signature puts it before the path. */
  readonly hostBucket?: string | undefined
}

/** What a verifier knows of the server. */
export interface Verification {
  readonly accounts: Pick<Accounts, 'withKey'>
  readonly regions: readonly string[]
  readonly now: Date
}

/** What signs the chunks of an aws-chunked body. */
export interface ChunkSigning {
  readonly key: Uint8Array
  /** `20130524T000000Z` */
  readonly time: string
  readonly scope: string
  readonly seed: string
}

/** What the request's signature promises about its body. */
export type Payload =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'hashed'; readonly sha256: string }
  | {
      readonly kind: 'chunked'
      readonly trailer: boolean
      readonly signing: ChunkSigning | undefined
    }

/** Who sent a request, and how that was proved. */
export interface Authentication {
  /** Undefined: nobody signed. */
  readonly account: Account | undefined
  readonly how: 'anonymous' | 'header' | 'query'
  readonly payload: Payload
}

/** A request that nobody signed. */
export const ANONYMOUS: Authentication = {
  account: undefined,
  how: 'anonymous',
  payload: { kind: 'unsigned' },
}
