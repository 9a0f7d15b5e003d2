import { createHash } from 'node:crypto'
import dns from 'node:dns'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AwsWay } from '../credentials.ts'
import { askAws } from './aws-providers.ts'

/** What a fake service of AWS answers, and what it was asked. */
interface Answer {
  readonly status?: number
  readonly body: string
}

let folder: string
let server: Server
let endpoint: string
let asked: { url: string; body: string; headers: IncomingMessage['headers'] }[]
let answer: (url: string) => Answer

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-keys-'))
  asked = []
  answer = () => ({ status: 404, body: '' })
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      asked.push({ url, body: Buffer.concat(chunks).toString(), headers })
      const { status = 200, body } = answer(url)
      response.writeHead(status).end(body)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  // The SDK reads these by itself.
  vi.stubEnv('AWS_ENDPOINT_URL_STS', endpoint)
  vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', endpoint)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await rm(folder, { recursive: true })
})

const end = '2040-01-02T03:04:05Z'
const keys = {
  accessKey: 'AKIAFOUND',
  secretKey: 'hunter2',
  securityToken: 'token',
  expiresAt: Date.parse(end),
}

const keysInJson = JSON.stringify({
  Code: 'Success',
  AccessKeyId: keys.accessKey,
  SecretAccessKey: keys.secretKey,
  Token: keys.securityToken,
  Expiration: end,
})

function keysOfSts(operation: string): string {
  const { accessKey, secretKey, securityToken } = keys
  const credentials = `<Credentials><AccessKeyId>${accessKey}</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey><SessionToken>${securityToken}</SessionToken><Expiration>${end}</Expiration></Credentials>`
  return `<${operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${operation}Result>${credentials}</${operation}Result></${operation}Response>`
}

async function profileWay(config: string, by: string): Promise<AwsWay> {
  const credentialsFile = join(folder, 'credentials')
  const configFile = join(folder, 'config')
  await writeFile(
    credentialsFile,
    '[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base\n',
  )
  await writeFile(configFile, config)
  return {
    kind: 'profile',
    profile: 'mine',
    by,
    credentialsFile,
    configFile,
    region: 'eu-central-1',
  }
}

function containerWay(path = '/keys'): AwsWay {
  const fullUri = endpoint + path
  return { kind: 'container', fullUri, relativeUri: undefined, token: 'pod', tokenFile: undefined }
}

describe('askAws', () => {
  it('takes on the role of a profile with the keys of another', async () => {
    answer = () => ({ body: keysOfSts('AssumeRole') })
    const way = await profileWay(
      '[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n',
      'role_arn',
    )
    expect(await askAws(way)).toEqual(keys)
    expect(asked[0]?.body).toContain('Action=AssumeRole')
    expect(asked[0]?.headers.authorization).toContain('Credential=AKIABASE/')
    expect(asked[0]?.headers.authorization).toContain('/eu-central-1/sts/')
  })

  it('runs the program of a profile', async () => {
    const program = join(folder, 'keys.sh')
    const json = JSON.stringify({ Version: 1, ...JSON.parse(keysInJson), SessionToken: 'token' })
    await writeFile(program, `#!/bin/sh\necho '${json}'\n`)
    await chmod(program, 0o700)
    const way = await profileWay(
      `[profile mine]\ncredential_process = ${program}\n`,
      'credential_process',
    )
    expect(await askAws(way)).toEqual(keys)
  })

  describe('with a profile of IAM Identity Center', () => {
    const config = `
      [profile mine]
      sso_session = work
      sso_account_id = 123456789012
      sso_role_name = reader
      [sso-session work]
      sso_region = eu-west-1
      sso_start_url = https://example.awsapps.com/start
    `.replaceAll(/^ +/gm, '')
    let way: AwsWay

    beforeEach(async () => {
      way = await profileWay(config, 'sso_session')
      // The SDK looks for tokens at home, and there for the profile anew.
      vi.stubEnv('HOME', folder)
      vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'))
    })

    /** What `aws sso login` leaves. */
    async function signIn(): Promise<void> {
      const cache = join(folder, '.aws/sso/cache')
      await mkdir(cache, { recursive: true })
      const session = createHash('sha1').update('work').digest('hex')
      const token = { accessToken: 'signed in', expiresAt: end, region: 'eu-west-1' }
      await writeFile(join(cache, `${session}.json`), JSON.stringify(token))
    }

    it('trades the token of who is signed in', async () => {
      const { accessKey: accessKeyId, secretKey: secretAccessKey, securityToken } = keys
      const expiration = Date.parse(end)
      const roleCredentials = {
        accessKeyId,
        secretAccessKey,
        expiration,
        sessionToken: securityToken,
      }
      answer = () => ({ body: JSON.stringify({ roleCredentials }) })
      vi.stubEnv('AWS_ENDPOINT_URL_SSO', endpoint)
      await signIn()
      expect(await askAws(way)).toEqual(keys)
      expect(asked[0]?.url).toContain('role_name=reader')
      expect(asked[0]?.url).toContain('account_id=123456789012')
      expect(asked[0]?.headers['x-amz-sso_bearer_token']).toBe('signed in')
    })

    it('asks in its region, wherever the bucket is', async () => {
      await signIn()
      const hosts: string[] = []
      const nowhere = Object.assign(new Error('No network here.'), { code: 'ENOTFOUND' })
      const lookup = vi.spyOn(dns, 'lookup').mockImplementation(((
        host: string,
        ...rest: unknown[]
      ) => {
        hosts.push(host)
        const callback = rest.at(-1)
        if (typeof callback === 'function') callback(nowhere)
      }) as typeof dns.lookup)
      try {
        await expect(askAws(way)).rejects.toThrow('gives no keys')
      } finally {
        lookup.mockRestore()
      }
      expect(new Set(hosts)).toEqual(new Set(['portal.sso.eu-west-1.amazonaws.com']))
    })

    it('says so when nobody is signed in', async () => {
      vi.stubEnv('AWS_ENDPOINT_URL_SSO', endpoint)
      await expect(askAws(way)).rejects.toMatchObject({
        name: 'ImproperlyConfigured',
        message: expect.stringContaining('sso_session'),
      })
      expect(asked).toEqual([])
    })
  })

  it('reads the files of a profile anew each time', async () => {
    answer = () => ({ body: keysOfSts('AssumeRole') })
    const config = (role: string): string =>
      `[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/${role}\nsource_profile = base\n`
    await askAws(await profileWay(config('old'), 'role_arn'))
    await askAws(await profileWay(config('new'), 'role_arn'))
    expect(asked.map(({ body }) => /role%2F(\w+)/.exec(body)?.[1])).toEqual(['old', 'new'])
  })

  it('trades the web identity of the environment for a role', async () => {
    answer = () => ({ body: keysOfSts('AssumeRoleWithWebIdentity') })
    const tokenFile = join(folder, 'token')
    await writeFile(tokenFile, 'identity')
    const roleArn = 'arn:aws:iam::123456789012:role/x'
    const region = 'eu-central-1'
    const way: AwsWay = { kind: 'web identity', tokenFile, roleArn, sessionName: 'me', region }
    expect(await askAws(way)).toEqual(keys)
    expect(asked[0]?.body).toContain('WebIdentityToken=identity')
    expect(asked[0]?.body).toContain('RoleSessionName=me')
  })

  it('asks the container with its token', async () => {
    answer = () => ({ body: keysInJson })
    expect(await askAws(containerWay())).toEqual(keys)
    expect(asked[0]?.headers.authorization).toBe('pod')
  })

  it('asks the instance', async () => {
    answer = url =>
      url.endsWith('/latest/api/token')
        ? { body: 'session' }
        : { body: url.endsWith('/security-credentials/') ? 'role' : keysInJson }
    expect(await askAws({ kind: 'instance' })).toMatchObject({
      ...keys,
      expiresAt: expect.any(Number),
    })
  })

  it('finds nothing on an instance that gives nothing', async () => {
    expect(await askAws({ kind: 'instance' })).toBeUndefined()
  })

  it('names the package that is missing, but for an instance, of which nobody knows', async () => {
    const missing = async (): Promise<undefined> => undefined
    await expect(askAws(containerWay(), missing)).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      message:
        'The container (AWS_CONTAINER_CREDENTIALS_…) gives keys only with the package @aws-sdk/credential-providers: npm install @aws-sdk/credential-providers',
    })
    expect(await askAws({ kind: 'instance' }, missing)).toBeUndefined()
  })

  it('is refused the keys of a role that may not be taken on', async () => {
    answer = () => ({
      status: 403,
      body: '<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>',
    })
    const way = await profileWay(
      '[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n',
      'role_arn',
    )
    await expect(askAws(way)).rejects.toMatchObject({
      name: 'PermissionDeniedError',
      message: 'Profile "mine" (role_arn) gives no keys: it was refused them.',
    })
  })

  it('tells of a profile that leads nowhere', async () => {
    const way = await profileWay(
      '[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = gone\n',
      'role_arn',
    )
    await expect(askAws(way)).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'sessionProfile',
    })
  })

  it('shows nothing of a program that fails, which may be given a password', async () => {
    const way = await profileWay(
      '[profile mine]\ncredential_process = /bin/false --password hunter2\n',
      'credential_process',
    )
    const error: unknown = await askAws(way).catch(failure => failure)
    expect(error).toMatchObject({ name: 'ImproperlyConfigured' })
    expect(inspect(error)).not.toContain('hunter2')
  })
})
