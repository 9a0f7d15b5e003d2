import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { RawClient } from './raw-client.ts'

describe('CORS', () => {
  let server: S3Server
  let client: RawClient
  const rule =
    '<CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedHeader>content-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>'
  const ask = (origin: string, method: string, headers = 'content-type') =>
    client.send('OPTIONS', '/media/a', {
      by: 'nobody',
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': headers,
      },
    })

  beforeAll(async () => {
    server = await S3Server.start({ buckets: ['media', 'closed'] })
    client = new RawClient(server)
    const body = `<CORSConfiguration>${rule}</CORSConfiguration>`
    const put = await client.send('PUT', '/media', { query: { cors: '' }, body })
    expect(put.status).toBe(200)
  })

  afterAll(async () => {
    client.close()
    await server.close()
  })

  it('answers a preflight that a rule fits', async () => {
    const answer = await ask('https://www.example.com', 'PUT')
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://www.example.com',
      'access-control-allow-methods': 'PUT, GET',
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '60',
    })
  })

  it('refuses a preflight of another origin, method or header', async () => {
    expect((await ask('https://example.org', 'PUT')).code).toBe('AccessForbidden')
    expect((await ask('https://www.example.com', 'DELETE')).code).toBe('AccessForbidden')
    expect((await ask('https://www.example.com', 'PUT', 'x-other')).code).toBe('AccessForbidden')
  })

  it('marks answers and errors for the origins of a rule only', async () => {
    const from = async (origin: string): Promise<string | string[] | undefined> => {
      const answer = await client.send('GET', '/media/missing', { headers: { origin } })
      expect(answer.code).toBe('NoSuchKey')
      return answer.headers['access-control-allow-origin']
    }
    expect(await from('https://www.example.com')).toBe('https://www.example.com')
    expect(await from('https://example.org')).toBeUndefined()
  })

  it('tells its rules and forgets them', async () => {
    const query = { cors: '' }
    expect((await client.send('GET', '/media', { query })).text).toContain(rule)
    expect((await client.send('GET', '/closed', { query })).code).toBe('NoSuchCORSConfiguration')
    expect((await client.send('DELETE', '/media', { query })).status).toBe(204)
    expect((await ask('https://www.example.com', 'PUT')).code).toBe('AccessForbidden')
  })
})
