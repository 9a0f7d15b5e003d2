import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** A folder in which there is this package and no other. */
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-peers-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const source = (name: string): string =>
    fileURLToPath(new URL(`../../src/${name}.ts`, import.meta.url))
  const build = await rolldown({
    input: { s3: source('s3'), legacy: source('s3-legacy') },
    platform: 'node',
    external: ['undici'],
  })
  await build.write({ dir: folder, format: 'esm' })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program says that runs there. */
function run(program: string): string {
  const args = ['--input-type=module', '-e', program]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  return stdout.trim() || stderr
}

const told = 'error => console.log(JSON.stringify([error.name, error.setting, error.message]))'

describe('without the package', () => {
  it('@aws-sdk/client-s3 a storage with a client says what to install', () => {
    const said = run(`
      import { S3Storage } from './s3.js'
      const client = { send: async () => ({}), config: {} }
      await new S3Storage({ client, bucketName: 'media' }).stat('a').catch(${told})`)
    expect(JSON.parse(said)).toEqual([
      'ImproperlyConfigured',
      'client',
      'Option "client" of S3Storage needs the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3',
    ])
  })

  it('aws-sdk the older backend says what to install', () => {
    const said = run(`
      import { S3BotoStorage } from './legacy.js'
      const options = { accessKey: 'a', secretKey: 'b', bucketName: 'media' }
      await new S3BotoStorage(options).exists('a').catch(${told})`)
    expect(JSON.parse(said)).toEqual([
      'ImproperlyConfigured',
      null,
      'S3BotoStorage needs the package aws-sdk: npm install aws-sdk',
    ])
  })

  it('both are imported, and S3Storage alone signs its URLs', () => {
    const said = run(`
      import { S3Storage } from './s3.js'
      import { S3BotoStorage } from './legacy.js'
      const keys = { accessKey: 'a', secretKey: 'b', bucketName: 'media' }
      console.log(new S3BotoStorage(keys) instanceof S3Storage, await new S3Storage(keys).url('a'))`)
    expect(said).toMatch(/^true https:\/\/media\.s3\.amazonaws\.com\/a\?X-Amz-/)
  })
})
