import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { FileSystemStorage, MemoryStorage, type Storage } from '../../src/index.ts'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { S3BotoStorage } from '../../src/s3-legacy.ts'

const secretKey = 'SECRETwJalrXUtnFEMIbPxRfiCYEXAMPLEKEY'
const securityToken = 'TOKENFwoGZXIvYXdzEJr//////////wEaDEXAMPLETOKEN'
const customerKey = 'CUSTOMERcustomerCUSTOMERcustomer'
const keyBody = 'MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49'
const cloudfrontKey = `-----BEGIN EC PRIVATE KEY-----
${keyBody}
AwEHoUQDQgAEPR3tU2Fta9ktY+6P9G0cWO+0kETA6SFs38GecTyudlHz6xvCdz8q
EKTcWGekdmdDPsHloRNtsiCa697B2O9IFA==
-----END EC PRIVATE KEY-----`

/** What must not be seen anywhere; signatures of requests are added as they come. */
const secrets = new Set([
  secretKey,
  securityToken,
  encodeURIComponent(securityToken),
  customerKey,
  btoa(customerKey),
  keyBody,
  'proxy-password',
])

let service: Server
let endpointUrl: string
let answer: (request: IncomingMessage, response: ServerResponse) => void
const events: unknown[] = []
const printed: unknown[][] = []
const listen = (event: unknown): void => void events.push(event)

beforeAll(async () => {
  channel('stowage:request').subscribe(listen)
  service = createServer((request, response) => {
    const { authorization = '' } = request.headers
    const signed = /(?:Signature=|^AWS \w+:)([\w+/=]+)/.exec(`${authorization} ${request.url}`)
    const signature = signed?.[1]
    if (signature !== undefined) secrets.add(signature)
    request.on('error', () => undefined).resume()
    request.on('end', () => answer(request, response))
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  endpointUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  for (const method of ['log', 'warn', 'error', 'info', 'debug'] as const)
    vi.spyOn(console, method).mockImplementation((...words) => void printed.push(words))
})

afterAll(() => {
  channel('stowage:request').unsubscribe(listen)
  service.closeAllConnections()
  service.close()
  vi.restoreAllMocks()
})

afterEach(() => {
  events.length = 0
})

/** Everything of the request, as services repeat it in their errors. */
function echo({ method, url, headers }: IncomingMessage): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
  return `${method}\n${url}\n${lines.join('\n')}`.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function refuse(status: number, code: string): typeof answer {
  return (request, response) => {
    const text = echo(request)
    response.writeHead(status, {
      'content-type': 'application/xml',
      'x-amz-request-id': text.slice(0, 0),
    })
    response.end(
      `<Error><Code>${code}</Code><Message>refused: ${text}</Message><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><StringToSign>${text}</StringToSign><SignatureProvided>${text}</SignatureProvided><CanonicalRequest>${text}</CanonicalRequest><RequestId>${text}</RequestId></Error>`,
    )
  }
}

const answers: readonly [string, typeof answer][] = [
  ['SignatureDoesNotMatch', refuse(403, 'SignatureDoesNotMatch')],
  ['AccessDenied', refuse(403, 'AccessDenied')],
  ['InvalidToken', refuse(400, 'InvalidToken')],
  ['an unknown code', refuse(400, 'SomethingNew')],
  ['NotImplemented', refuse(501, 'NotImplemented')],
  ['SlowDown', refuse(503, 'SlowDown')],
  [
    'a code that repeats the request',
    (request, response) => refuse(400, echo(request))(request, response),
  ],
  [
    'a page of HTML that repeats the request',
    (request, response) =>
      void response.writeHead(502).end(`<html><pre>${echo(request)}</pre></html>`),
  ],
  [
    'a document that is another one',
    (request, response) => void response.end(`<Other>${echo(request)}</Other>`),
  ],
  [
    'headers that repeat the request',
    (request, response) =>
      void response
        .writeHead(400, {
          'x-amz-bucket-region': encodeURIComponent(echo(request)),
          'x-amz-request-id': encodeURIComponent(echo(request)),
          'retry-after': encodeURIComponent(echo(request)),
        })
        .end(),
  ],
  [
    'a redirect to a URL of the request',
    (request, response) =>
      void response.writeHead(307, { location: `http://elsewhere.example${request.url}` }).end(),
  ],
  ['nothing', (_request, response) => void response.destroy()],
]

const common = {
  bucketName: 'media',
  retries: { maxAttempts: 2, baseDelay: 1 },
  objectParameters: { SSECustomerKey: customerKey },
}

function native(options: S3StorageOptions = {}): S3Storage {
  const keys = { accessKey: 'AKIDEXAMPLE', secretKey, securityToken }
  return new S3Storage({ endpointUrl, ...keys, ...common, ...options })
}

function withClient(): S3Storage {
  const client = new S3Client({
    endpoint: endpointUrl,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: secretKey,
      sessionToken: securityToken,
    },
    maxAttempts: 1,
  })
  return new S3Storage({
    bucketName: 'media',
    client,
    objectParameters: { SSECustomerKey: customerKey },
  })
}

function legacy(signatureVersion: 's3' | 's3v4'): S3BotoStorage {
  const keys = { accessKey: 'AKIDEXAMPLE', secretKey, securityToken }
  return new S3BotoStorage({ endpointUrl, ...keys, ...common, signatureVersion })
}

const storages: readonly [string, () => Storage][] = [
  ['our own engine', () => native()],
  ['a client of the SDK', withClient],
  ['the older backend', () => legacy('s3v4')],
  ['the older backend with version 2', () => legacy('s3')],
]

const operations: readonly [string, (storage: Storage) => Promise<unknown>][] = [
  ['save', storage => storage.save('a.txt', 'content')],
  ['save of a stream', storage => storage.save('b.bin', twelveMiB())],
  ['open', storage => storage.open('a.txt')],
  ['stat', storage => storage.stat('a.txt')],
  ['copy', storage => storage.copy('a.txt', 'b.txt')],
  ['delete', storage => storage.delete('a.txt')],
  ['deleteMany', storage => storage.deleteMany(['a.txt', 'b.txt'])],
  ['listdir', storage => storage.listdir('')],
  ['cleanupUploads', storage => storage.cleanupUploads()],
]

async function* twelveMiB(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 12; i++) yield new Uint8Array(1024 * 1024)
}

/** All that programs and people may see of a value: hidden members, causes and stacks included. */
function shown(...values: unknown[]): string {
  const seen = values.flatMap(value => [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    JSON.stringify(value, (_key, each: unknown) =>
      each instanceof Error ? { ...each, message: each.message } : each,
    ),
    String(value),
    ...chain(value).flatMap(error => [error.message, error.stack ?? '', `${error}`]),
  ])
  return seen.join('\n')
}

function chain(value: unknown): Error[] {
  if (!(value instanceof Error)) return []
  const others = 'errors' in value && Array.isArray(value.errors) ? value.errors : []
  return [value, ...chain(value.cause), ...others.flatMap(chain)]
}

function leaks(text: string): string[] {
  return [...secrets].filter(secret => text.includes(secret))
}

describe('no secret is shown', () => {
  it.each(
    storages.flatMap(([kind, make]) =>
      answers.map(([what, reply]) => [kind, what, make, reply] as const),
    ),
  )('by %s, when the service answers with %s', async (_kind, _what, make, reply) => {
    answer = reply
    const storage = make()
    for (const [, perform] of operations) {
      const failure: unknown = await perform(storage).catch((error: unknown) => error)
      const text = shown(failure, storage, storage.backend, ...events)
      expect(leaks(text)).toEqual([])
    }
    expect(secrets.size).toBeGreaterThan(7)
  })

  it('of options that are wrong', () => {
    const wrong: object[] = [
      { secretKey: { secretKey } },
      { accessKey: 5, secretKey, securityToken },
      { secretKey, nope: 1 },
      { endpointUrl: `http://user:${secretKey}@127.0.0.1:1` },
      { proxies: { http: 'ftp://me:proxy-password@proxy' } },
      { proxies: { socks: 'http://me:proxy-password@proxy' } },
      { cloudfrontKeyId: 'K', cloudfrontKey: `${cloudfrontKey.slice(0, -30)}` },
      { cloudfrontKeyId: 'K', cloudfrontKey: keyBody },
      { cloudfrontKey },
      { objectParameters: { SSECustomerKey: `${customerKey}x` } },
      { objectParameters: { SSECustomerKey: customerKey, SSECustomerKeyMD5: 'x' } },
      { objectParameters: { SSECustomerKey: customerKey, SSECustomerAlgorithm: 'x' } },
      { objectParameters: { SSECustomerKey: `${customerKey}\n` } },
      { encryption: true },
      { sessionProfile: 'work' },
    ]
    for (const options of wrong) {
      let thrown: unknown
      try {
        thrown = native(options as S3StorageOptions)
      } catch (error) {
        thrown = error
      }
      expect(leaks(shown(thrown))).toEqual([])
    }
  })

  it('of a proxy that refuses, and of a URL that is no service', async () => {
    answer = (_request, response) => void response.writeHead(407).end('denied')
    const proxy = endpointUrl.replace('http://', 'http://me:proxy-password@')
    const odd = [
      native({ endpointUrl: 'http://s3.test', proxies: { http: proxy } }),
      native({ endpointUrl: `http://user:${secretKey}@127.0.0.1:1` }),
    ]
    for (const storage of odd) {
      const failure: unknown = await storage.stat('a').catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(Error)
      expect(leaks(shown(failure, storage))).toEqual([])
    }
  })

  it('of URLs that cannot be made', async () => {
    const domain = { customDomain: 'cdn.example.com', cloudfrontKeyId: 'K', cloudfrontKey }
    const storage = native(domain)
    const failures = await Promise.all([
      storage.url('a', { expiresIn: -1 }).catch((error: unknown) => error),
      storage
        .url('a', { parameters: { SSECustomerKey: customerKey, Nope: 'x' } })
        .catch((error: unknown) => error),
      storage
        .url('a', { method: 'PUT', parameters: { SSECustomerKey: `${customerKey}x` } })
        .catch((error: unknown) => error),
    ])
    expect(failures.every(failure => failure instanceof Error)).toBe(true)
    expect(leaks(shown(storage, ...failures))).toEqual([])
  })

  it('of storages that have none', async () => {
    const others = [new MemoryStorage(), new FileSystemStorage({ location: '/dev/null/nowhere' })]
    for (const storage of others) {
      for (const [, perform] of operations) {
        const failure: unknown = await perform(storage).catch((error: unknown) => error)
        expect(leaks(shown(failure, storage))).toEqual([])
      }
    }
  })

  it('in anything that was printed', () => {
    expect(leaks(shown(...printed))).toEqual([])
  })
})
