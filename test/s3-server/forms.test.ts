import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { RawClient } from './raw-client.ts'

interface Vector {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string
  readonly time: string
  readonly bucket: string
  readonly key: string
  readonly fields?: Record<string, string>
  readonly conditions?: (Record<string, string> | (string | number)[])[]
  readonly expect: { readonly fields: Record<string, string> }
}

const file = new URL('../fixtures/vectors/post-policy.json', import.meta.url)
const vectors: Vector[] = JSON.parse(readFileSync(file, 'utf8')).cases

let server: S3Server | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

const policyOf = (conditions: unknown[], expiration = '2099-01-01T00:00:00Z'): string =>
  Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64')

/** The same form under the older signature, which needs no date. */
function signed(policy: string, fields: Record<string, string>): Record<string, string> {
  const signature = createHmac('sha1', server?.secretKey ?? '')
    .update(policy)
    .digest('base64')
  return { ...fields, AWSAccessKeyId: server?.accessKey ?? '', policy, signature }
}

async function post(
  url: string,
  fields: Record<string, string>,
  content: string | null = 'x',
): Promise<Response> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  if (content !== null) form.append('file', new Blob([content]), 'my file.txt')
  if (server === undefined) throw new Error('no server')
  return server.fetch(new Request(url, { method: 'POST', body: form }))
}

async function codeOf(answer: Response): Promise<string> {
  return /<Code>(.*)<\/Code>/.exec(await answer.text())?.[1] ?? String(answer.status)
}

async function startFor(vector: Vector): Promise<string> {
  const { accessKey, secretKey, sessionToken, region, bucket, time } = vector
  server = await S3Server.start({
    buckets: [bucket],
    region,
    accessKey: 'ANOTHER',
    secretKey: 'another',
    accounts: [{ accessKey, secretKey, id: 'test', sessionToken }],
    now: () => new Date(time),
  })
  return `${server.endpoint}/${bucket}`
}

/** A content that the policy's length allows. */
function contentFor(vector: Vector): string {
  const range = vector.conditions?.find(
    condition => Array.isArray(condition) && condition[0] === 'content-length-range',
  )
  return 'x'.repeat(Array.isArray(range) ? Number(range[1]) : 1)
}

/** Conditions with a beginning only need a value that begins so. */
function fieldsFor(vector: Vector): Record<string, string> {
  const fields: Record<string, string> = { ...vector.expect.fields }
  for (const condition of vector.conditions ?? []) {
    const [kind, name, value] = Array.isArray(condition) ? condition : []
    const field = String(name).replace(/^\$/, '')
    if (kind === 'starts-with' || kind === 'eq') fields[field] ??= String(value)
  }
  return fields
}

describe("botocore's forms", () => {
  it.each(vectors.map((vector, index) => [index, vector] as const))(
    'number %i is accepted',
    async (_, vector) => {
      const url = await startFor(vector)
      const fields = fieldsFor(vector)
      const accepted = ['200', '201', '204', '303']
      expect(accepted).toContain(await codeOf(await post(url, fields, contentFor(vector))))
      const changed = { ...fields, 'x-amz-meta-extra': '1' }
      expect(await codeOf(await post(url, changed, contentFor(vector)))).toBe('AccessDenied')
      const name = 'signature' in fields ? 'signature' : 'x-amz-signature'
      const forged = {
        ...fields,
        [name]: `${fields[name]}`.replace(/^./, c => (c === 'a' ? 'b' : 'a')),
      }
      expect(await codeOf(await post(url, forged, contentFor(vector)))).toBe(
        'SignatureDoesNotMatch',
      )
    },
  )
})

describe('a form', () => {
  const url = async (): Promise<string> => {
    server = await S3Server.start({ buckets: ['media'] })
    return `${server.endpoint}/media`
  }

  it('puts the name of the file where the key asks for it', async () => {
    const to = await url()
    const policy = policyOf([{ bucket: 'media' }, ['starts-with', '$key', 'in/']])
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how S3 writes it
    const sent = { key: 'in/${filename}', success_action_status: '201' }
    expect(await codeOf(await post(to, signed(policy, sent)))).toBe('AccessDenied')
    const allowed = policyOf([
      { bucket: 'media' },
      ['starts-with', '$key', 'in/'],
      ['eq', '$success_action_status', '201'],
    ])
    const answer = await post(to, signed(allowed, sent))
    expect(answer.status).toBe(201)
    expect(await answer.text()).toContain('<Key>in/my file.txt</Key>')
  })

  it('redirects where it is told, with what was stored', async () => {
    const to = await url()
    const redirect = 'https://example.com/done?x=1'
    const policy = policyOf([
      { bucket: 'media' },
      { key: 'k' },
      { success_action_redirect: redirect },
    ])
    const answer = await post(to, signed(policy, { key: 'k', success_action_redirect: redirect }))
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(
      'https://example.com/done?x=1&bucket=media&key=k&etag=%229dd4e461268c8034f5c8564e155c67a6%22',
    )
  })

  it('is held to the length its policy allows, and leaves nothing if it is not', async () => {
    const to = await url()
    const policy = policyOf([{ bucket: 'media' }, { key: 'k' }, ['content-length-range', 2, 4]])
    const fields = signed(policy, { key: 'k' })
    expect(await codeOf(await post(to, fields, 'x'))).toBe('EntityTooSmall')
    expect(await codeOf(await post(to, fields, 'xxxxx'))).toBe('EntityTooLarge')
    const client = new RawClient(server ?? (await S3Server.start()))
    expect((await client.send('HEAD', '/media/k')).status).toBe(404)
    expect(await codeOf(await post(to, fields, 'xxx'))).toBe('204')
    expect((await client.send('GET', '/media/k')).text).toBe('xxx')
    client.close()
  })

  it('ends with its policy', async () => {
    const to = await url()
    const policy = policyOf([{ bucket: 'media' }, { key: 'k' }], '2020-01-01T00:00:00Z')
    const answer = await post(to, signed(policy, { key: 'k' }))
    expect(await answer.text()).toContain('Invalid according to Policy: Policy expired.')
  })

  it('needs a key, a file, the right bucket and a policy that is one', async () => {
    const to = await url()
    const policy = policyOf([{ bucket: 'media' }])
    expect(await codeOf(await post(to, signed(policy, {})))).toBe('InvalidArgument')
    const noFile = policyOf([{ bucket: 'media' }, { key: 'k' }])
    expect(await codeOf(await post(to, signed(noFile, { key: 'k' }), null))).toBe('InvalidArgument')
    const other = policyOf([{ bucket: 'other' }, { key: 'k' }])
    expect(await codeOf(await post(to, signed(other, { key: 'k' })))).toBe('AccessDenied')
    const nonsense = Buffer.from('nonsense').toString('base64')
    expect(await codeOf(await post(to, signed(nonsense, { key: 'k' })))).toBe(
      'InvalidPolicyDocument',
    )
    expect(await codeOf(await post(to, { key: 'k' }))).toBe('AccessDenied')
  })
})
