import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { configure } from 'stowage'
import { S3Storage } from 'stowage/s3'
import { S3Server } from 'stowage/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

type Options = NonNullable<ConstructorParameters<typeof S3Storage>[0]>

/** Temporary keys, which the service takes with their token only. */
interface Keys {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken: string
}

const first: Keys = { accessKey: 'ASIAFIRST', secretKey: 'hunter1', sessionToken: 'token/1+==' }
const second: Keys = { accessKey: 'ASIASECOND', secretKey: 'hunter2', sessionToken: 'token/2+==' }

let server: S3Server
/** What stands for STS, IAM Identity Center, containers and instances. */
let aws: Server
let awsUrl = ''
let answer: (request: IncomingMessage) => { readonly status?: number; readonly body: string }
let home = ''

beforeEach(async () => {
  const accounts = [first, second].map(keys => ({ ...keys, id: 'test' }))
  server = await S3Server.start({ buckets: ['media'], accounts, now: () => new Date() })
  answer = () => ({ status: 404, body: '' })
  aws = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status = 200, body } = answer(request)
      response.writeHead(status).end(body)
    })
  })
  await once(aws.listen(0, '127.0.0.1'), 'listening')
  awsUrl = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`
  home = await mkdtemp(join(tmpdir(), 'stowage-ways-'))
  for (const name in process.env) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  vi.stubEnv('HOME', home)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  for (const service of ['STS', 'SSO']) vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, awsUrl)
})

afterEach(async () => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
  configure({})
  aws.closeAllConnections()
  aws.close()
  await server.close()
  await rm(home, { recursive: true })
})

function connect(options: Options = {}): S3Storage {
  const place = { bucketName: 'media', endpointUrl: server.endpoint, regionName: 'us-east-1' }
  return new S3Storage({ ...place, ...options })
}

async function writeHome(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(home, path)), { recursive: true })
    await writeFile(join(home, path), text, { mode: 0o700 })
  }
}

function setEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
}

function inFile({ accessKey, secretKey, sessionToken }: Keys): string {
  return `aws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\naws_session_token = ${sessionToken}\n`
}

/** As containers, instances and programs have them. */
function inJson({ accessKey, secretKey, sessionToken }: Keys, end: Date): string {
  return JSON.stringify({
    Version: 1,
    Code: 'Success',
    AccessKeyId: accessKey,
    SecretAccessKey: secretKey,
    SessionToken: sessionToken,
    Token: sessionToken,
    Expiration: end.toISOString(),
  })
}

function ofSts(operation: string, { accessKey, secretKey, sessionToken }: Keys): string {
  const credentials = `<Credentials><AccessKeyId>${accessKey}</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${inAnHour().toISOString()}</Expiration></Credentials>`
  return `<${operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${operation}Result>${credentials}</${operation}Result></${operation}Response>`
}

function inAnHour(): Date {
  return new Date(Date.now() + 3_600_000)
}

const role = 'role_arn = arn:aws:iam::123456789012:role/x\n'
const { accessKey, secretKey, sessionToken } = first

/** Each makes ready what its way needs, and gives the options. */
const ways: Readonly<Record<string, () => Promise<Options> | Options>> = {
  'the options': () => ({ accessKey, secretKey, securityToken: sessionToken }),
  'a function, by our names': () => ({
    credentials: async () => ({ accessKey, secretKey, securityToken: sessionToken }),
  }),
  'a function, by those of the SDK': () => ({
    credentials: () => ({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      sessionToken,
      expiration: inAnHour(),
    }),
  }),
  'the configuration': () => {
    configure({
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_SESSION_TOKEN: sessionToken,
    })
    return {}
  },
  'the environment': () => {
    setEnvironment({
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_SESSION_TOKEN: sessionToken,
    })
    return {}
  },
  'the environment, by the older names': () => {
    setEnvironment({
      AWS_S3_ACCESS_KEY_ID: accessKey,
      AWS_S3_SECRET_ACCESS_KEY: secretKey,
      AWS_SECURITY_TOKEN: sessionToken,
    })
    return {}
  },
  'a profile': async () => {
    await writeHome({ '.aws/credentials': `[mine]\n${inFile(first)}` })
    return { sessionProfile: 'mine' }
  },
  'a profile of the configuration file': async () => {
    await writeHome({ '.aws/config': `[profile mine]\n${inFile(first)}` })
    vi.stubEnv('AWS_PROFILE', 'mine')
    return {}
  },
  'the default profile, of another file': async () => {
    await writeHome({ elsewhere: `[default]\n${inFile(first)}` })
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(home, 'elsewhere'))
    return {}
  },
  'a role, taken on by a profile': async () => {
    await writeHome({
      '.aws/credentials': `[base]\n${inFile(second)}`,
      '.aws/config': `[profile mine]\n${role}source_profile = base\n`,
    })
    answer = () => ({ body: ofSts('AssumeRole', first) })
    return { sessionProfile: 'mine' }
  },
  'a role, taken on by the keys of a container': async () => {
    await writeHome({
      '.aws/config': `[profile mine]\n${role}credential_source = EcsContainer\n`,
    })
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${awsUrl}/keys`)
    answer = ({ url }) => ({
      body: url === '/keys' ? inJson(second, inAnHour()) : ofSts('AssumeRole', first),
    })
    return { sessionProfile: 'mine' }
  },
  'a program': async () => {
    await writeHome({
      'keys.sh': `#!/bin/sh\necho '${inJson(first, inAnHour())}'\n`,
      '.aws/config': `[profile mine]\ncredential_process = ${join(home, 'keys.sh')}\n`,
    })
    return { sessionProfile: 'mine' }
  },
  'IAM Identity Center': async () => {
    const session = createHash('sha1').update('work').digest('hex')
    await writeHome({
      '.aws/config':
        '[profile mine]\nsso_session = work\nsso_account_id = 1\nsso_role_name = reader\n[sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n',
      [`.aws/sso/cache/${session}.json`]: JSON.stringify({
        accessToken: 'signed in',
        expiresAt: inAnHour().toISOString(),
      }),
    })
    const roleCredentials = {
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      sessionToken,
      expiration: inAnHour().getTime(),
    }
    answer = () => ({ body: JSON.stringify({ roleCredentials }) })
    return { sessionProfile: 'mine' }
  },
  'a web identity of the environment': async () => {
    await writeHome({ identity: 'identity' })
    setEnvironment({
      AWS_WEB_IDENTITY_TOKEN_FILE: join(home, 'identity'),
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/x',
    })
    answer = () => ({ body: ofSts('AssumeRoleWithWebIdentity', first) })
    return {}
  },
  'a web identity of a profile': async () => {
    await writeHome({
      identity: 'identity',
      '.aws/config': `[profile mine]\n${role}web_identity_token_file = ${join(home, 'identity')}\n`,
    })
    answer = () => ({ body: ofSts('AssumeRoleWithWebIdentity', first) })
    return { sessionProfile: 'mine' }
  },
  'a container': () => {
    setEnvironment({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${awsUrl}/keys`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'pod',
    })
    answer = ({ headers }) =>
      headers.authorization === 'pod'
        ? { body: inJson(first, inAnHour()) }
        : { status: 401, body: '' }
    return {}
  },
  'the instance': () => {
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined)
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', awsUrl)
    answer = ({ url = '' }) => {
      if (url.endsWith('/latest/api/token')) return { body: 'session' }
      return { body: url.endsWith('/security-credentials/') ? 'role' : inJson(first, inAnHour()) }
    }
    return {}
  },
}

describe('a storage signs its requests and URLs with the keys of', () => {
  it.each(Object.entries(ways))('%s', async (_way, make) => {
    const storage = connect(await make())
    await storage.save('a.txt', 'text')
    expect(await (await storage.file('a.txt')).text()).toBe('text')
    expect((await fetch(await storage.url('a.txt'))).status).toBe(200)
  })
})

describe('keys that end', () => {
  const minute = 60_000
  let source: () => Keys | undefined
  let answers = 0

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) })
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${awsUrl}/keys`)
    answers = 0
    answer = () => {
      const keys = source()
      if (keys === undefined) return { status: 400, body: '' }
      answers++
      return { body: inJson(keys, new Date(Date.now() + 20 * minute)) }
    }
  })

  function pass(minutes: number): void {
    vi.setSystemTime(Date.now() + minutes * minute)
  }

  /** Whose keys are in use. */
  async function keyOf(storage: S3Storage): Promise<string | undefined> {
    const credential = new URL(await storage.url('a')).searchParams.get('X-Amz-Credential')
    return credential?.split('/')[0]
  }

  it('are renewed behind the requests, once for all of them', async () => {
    source = () => (answers === 0 ? first : second)
    const storage = connect()
    await storage.save('a', 'x')
    pass(14)
    await storage.save('a', 'x')
    expect([await keyOf(storage), answers]).toEqual([first.accessKey, 1])
    pass(2)
    const all = Array.from({ length: 50 }, () => storage.exists('a'))
    expect(new Set(await Promise.all(all))).toEqual(new Set([true]))
    await vi.waitFor(async () => expect(await keyOf(storage)).toBe(second.accessKey))
    expect(await storage.exists('a')).toBe(true)
    expect(answers).toBe(2)
  })

  it('are used while they last when they cannot be renewed, and renewed when that works again', async () => {
    source = () => (answers === 0 ? first : undefined)
    const storage = connect()
    await storage.save('a', 'x')
    for (const minutes of [16, 1, 1, 1, 0.9]) {
      pass(minutes)
      expect(await storage.exists('a')).toBe(true)
    }
    expect(await keyOf(storage)).toBe(first.accessKey)
    pass(2)
    await expect(storage.exists('a')).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_STORAGE_/),
      operation: 'exists',
      message: expect.stringContaining('AWS_CONTAINER_CREDENTIALS'),
    })
    source = () => second
    expect(await storage.exists('a')).toBe(true)
    expect(await keyOf(storage)).toBe(second.accessKey)
  })

  it('and were given to a function are renewed before that, too', async () => {
    let calls = 0
    const storage = connect({
      credentials: async () => {
        const keys = calls++ === 0 ? first : second
        const expiresAt = new Date(Date.now() + 20 * minute)
        return { ...keys, securityToken: keys.sessionToken, expiresAt }
      },
    })
    await storage.save('a', 'x')
    pass(30)
    expect(await storage.exists('a')).toBe(true)
    expect([await keyOf(storage), calls]).toEqual([second.accessKey, 2])
  })
})
