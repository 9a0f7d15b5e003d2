import { Agent, request as httpRequest } from 'node:http'
import type { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import {
  anonymous,
  presignV2,
  presignV4,
  type Signed,
  type Signing,
  signV2,
  signV4,
} from '../ceph/signer.ts'

/** One request, before it is signed. */
export interface RawRequest {
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly by?: 'v4' | 'v4-query' | 'v2' | 'v2-query' | 'nobody'
  readonly signing?: Partial<Signing>
  /** The Host header; default the server's own. */
  readonly host?: string
  /** Sends the body in HTTP's own chunks, without its length. */
  readonly unsized?: true
}

/** What came back. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The code of an error, undefined for none. */
  readonly code: string | undefined
}

const SIGNERS = {
  v4: signV4,
  'v4-query': presignV4,
  v2: signV2,
  'v2-query': presignV2,
  nobody: anonymous,
}

/** Sends requests that no SDK would, signed by hand. */
export class RawClient {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #server: S3Server
  readonly #account: { accessKey: string; secretKey: string }

  constructor(server: S3Server, account: { accessKey: string; secretKey: string } = server) {
    this.#server = server
    this.#account = account
  }

  send(method: string, path: string, request: RawRequest = {}): Promise<RawAnswer> {
    return this.#exchange(this.sign(method, path, request), request.unsized ?? false)
  }

  sign(method: string, path: string, request: RawRequest = {}): Signed {
    const { query = {}, headers = {}, body = '', by = 'v4', signing } = request
    const host = request.host ?? new URL(this.#server.endpoint).host
    const unsigned = {
      method,
      path,
      query: Object.entries(query),
      headers,
      body: Buffer.from(body),
    }
    return SIGNERS[by](unsigned, { ...this.#account, host, ...signing })
  }

  close(): void {
    this.#agent.destroy()
  }

  #exchange(signed: Signed, unsized: boolean): Promise<RawAnswer> {
    const { hostname, port } = new URL(this.#server.endpoint)
    const { method, target, body } = signed
    const hasBody = method === 'PUT' || method === 'POST'
    const size = hasBody && !unsized ? { 'content-length': body.byteLength } : {}
    const headers = { ...signed.headers, ...size }
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, hostname, port, method, path: target, headers }
      const sent = httpRequest(options, answer => {
        const chunks: Buffer[] = []
        answer.on('data', chunk => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const code = /<Error><Code>(\w+)<\/Code>/.exec(text)?.[1]
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, code })
        })
      })
      sent.on('error', reject)
      if (unsized) sent.write(body)
      sent.end(hasBody && !unsized ? body : undefined)
    })
  }
}
