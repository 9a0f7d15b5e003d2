import { Agent, request as httpRequest } from 'node:http'
import { SaxesParser } from 'saxes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { DIFFERENCES, EVERYWHERE } from './differences.ts'
import { type DifferentialRequest, REQUESTS } from './requests.ts'
import {
  anonymous,
  presignV2,
  presignV4,
  type Signed,
  type Signing,
  signV2,
  signV4,
  type Unsigned,
} from './signer.ts'

/** One of the two servers, and what was kept from its answers. */
interface Side {
  readonly endpoint: URL
  readonly accessKey: string
  readonly secretKey: string
  readonly kept: Map<string, string>
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 })
const bucket = `differential-${Date.now().toString(36)}`

describe('the embedded server and Ceph', () => {
  let server: S3Server
  let here: Side
  let ceph: Side

  beforeAll(async () => {
    ceph = cephSide()
    server = await S3Server.start()
    const { accessKey, secretKey } = server
    here = { endpoint: new URL(server.endpoint), accessKey, secretKey, kept: newKept() }
    for (const side of [here, ceph]) {
      const made = await send(side, { name: 'make', method: 'PUT', path: '/' })
      if (made.status !== 200)
        throw new Error(`${side.endpoint.href} makes no bucket: ${made.status}`)
    }
  })

  afterAll(async () => {
    agent.destroy()
    await server?.close()
  })

  it('are asked enough', () => {
    expect(REQUESTS.length).toBeGreaterThanOrEqual(120)
    const names = REQUESTS.map(({ name }) => name)
    expect([...DIFFERENCES.keys()].filter(name => !names.includes(name))).toEqual([])
  })

  it.each(REQUESTS.map(request => [request.name, request] as const))(
    'answer alike, or as the list of differences says: %s',
    async (name, request) => {
      const [left, right] = [await send(here, request), await send(ceph, request)]
      keep(here, request, left)
      keep(ceph, request, right)
      const seen = differenceOf(outcome(request, left), outcome(request, right))
      const accepted = DIFFERENCES.get(name)
      expect(seen).toEqual({ here: accepted?.here ?? [], ceph: accepted?.ceph ?? [] })
    },
  )
})

function cephSide(): Side {
  const { CEPH_ENDPOINT, CEPH_ACCESS_KEY, CEPH_SECRET_KEY } = process.env
  if (!CEPH_ENDPOINT || !CEPH_ACCESS_KEY || !CEPH_SECRET_KEY) {
    throw new Error(
      'The differential test needs a Ceph gateway: set CEPH_ENDPOINT, CEPH_ACCESS_KEY and CEPH_SECRET_KEY',
    )
  }
  return {
    endpoint: new URL(CEPH_ENDPOINT),
    accessKey: CEPH_ACCESS_KEY,
    secretKey: CEPH_SECRET_KEY,
    kept: newKept(),
  }
}

function newKept(): Map<string, string> {
  return new Map([['bucket', bucket]])
}

const SIGNERS: Record<string, (request: Unsigned, signing: Signing) => Signed> = {
  v4: signV4,
  'v4-query': presignV4,
  v2: signV2,
  'v2-query': presignV2,
  nobody: anonymous,
}

function send(side: Side, request: DifferentialRequest): Promise<Answer> {
  const { wrong = {} } = request
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (_, name: string) => side.kept.get(name) ?? '')
  const unsigned: Unsigned = {
    method: request.method,
    path: `/${bucket}${request.path}`,
    query: Object.entries(request.query ?? {}).map(([name, value]) => [name, fill(value)]),
    headers: Object.fromEntries(
      Object.entries(request.headers ?? {}).map(([name, value]) => [name, fill(value)]),
    ),
    body: Buffer.from(request.body ?? ''),
  }
  const { secret, key, ...rest } = wrong
  const sign = SIGNERS[request.by ?? 'v4'] ?? signV4
  const signing: Signing = {
    accessKey: key ? 'NOBODYHASTHISKEY0000' : side.accessKey,
    secretKey: secret ? 'wrong' : side.secretKey,
    host: side.endpoint.host,
    ...rest,
  }
  return exchange(side, sign(unsigned, signing))
}

function exchange(side: Side, { method, target, headers, body }: Signed): Promise<Answer> {
  const { hostname, port } = side.endpoint
  const hasBody = method === 'PUT' || method === 'POST'
  const length = hasBody ? { 'content-length': body.byteLength } : {}
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      hostname,
      port,
      method,
      path: target,
      headers: { ...headers, ...length },
    }
    const sent = httpRequest(options, answer => {
      const chunks: Buffer[] = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const { statusCode = 0, headers: received } = answer
        resolve({ status: statusCode, headers: received, body: Buffer.concat(chunks) })
      })
    })
    // A server whose answer is no HTTP has said nothing.
    sent.on('error', error => {
      const broken = 'code' in error && String(error.code).startsWith('HPE_')
      if (broken) resolve({ status: 0, headers: {}, body: Buffer.alloc(0) })
      else reject(error)
    })
    sent.end(hasBody ? body : undefined)
  })
}

function keep(side: Side, request: DifferentialRequest, answer: Answer): void {
  for (const [name, element] of Object.entries(request.keep ?? {})) {
    const found = elementsOf(answer.body).find(([path]) => path.endsWith(element))
    side.kept.set(name, found?.[1] ?? '')
  }
}

const COMPARED =
  /^(?:etag|content-(?:type|length|range|disposition|encoding|language)|cache-control|expires|accept-ranges|x-amz-meta-.*|x-amz-storage-class|x-amz-server-side.*)$/
/** What no two servers have in common, and what says the same in other words. */
const VOLATILE =
  /(?:^Error\/(?!Code$)|LastModified|Initiated|UploadId|ContinuationToken|IdMarker|\bID$|DisplayName|Location$|Initiator|Bucket$|Name$)/

/** The facts of an answer, one a line; entity tags in documents count with and without quotes. */
function outcome({ method }: DifferentialRequest, { status, headers, body }: Answer): string[] {
  const facts = [`status ${status}`]
  const told = (): string[] =>
    facts
      .map(fact => fact.replace(/(\/ETag) "(.*)"$/, '$1 $2'))
      .filter(fact => !EVERYWHERE.some(({ fact: known }) => known.test(`${method} ${fact}`)))
      .sort()
  const isXml = String(headers['content-type'] ?? '').includes('xml') && body.byteLength > 0
  if (isXml) {
    for (const [path, text] of elementsOf(body)) {
      if (!VOLATILE.test(path)) facts.push(`${path} ${text}`)
    }
    return told()
  }
  if (status < 400) {
    for (const [name, value] of Object.entries(headers)) {
      if (COMPARED.test(name)) facts.push(`${name}: ${value}`)
    }
    facts.push(`body ${body.toString('latin1')}`)
  }
  return told()
}

/** The texts of a document's innermost elements by their path. */
function elementsOf(body: Buffer): [string, string][] {
  const elements: [string, string][] = []
  const open: string[] = []
  let text = ''
  let isLeaf = false
  const parser = new SaxesParser()
  parser.on('error', () => {})
  parser.on('opentag', ({ name }) => {
    open.push(name)
    text = ''
    isLeaf = true
  })
  parser.on('text', chunk => {
    text += chunk
  })
  parser.on('closetag', () => {
    if (isLeaf && text !== '') elements.push([open.join('/'), text])
    open.pop()
    isLeaf = false
  })
  parser.write(body.toString()).close()
  return elements
}

/** What only one of the two says. */
function differenceOf(left: string[], right: string[]): { here: string[]; ceph: string[] } {
  const rest = [...right]
  const here = left.filter(fact => {
    const at = rest.indexOf(fact)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
  return { here, ceph: rest }
}
