import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
/** Node strips types itself from 22.18 on; before that jiti is needed. */
const stripsTypes = 'typescript' in process.features && Boolean(process.features.typescript)

let base: string
let app: string
let count = 0

beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'stowage-config-e2e-')))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const emit = ['--emitDeclarationOnly', 'false', '--outDir', join(base, 'dist')]
  const args = [compiler, '-p', 'tsconfig.build.json', ...emit]
  await run(process.execPath, args, { cwd: root }).catch((error: unknown) => {
    // Types are checked elsewhere; what counts here is that there is a program.
    if (!existsSync(join(base, 'dist', 'index.js'))) throw error
  })
  install('with-jiti', ['jiti'])
  install('without-jiti', [])
}, 120_000)

afterAll(async () => {
  await rm(base, { recursive: true, force: true })
})

beforeEach(() => {
  enter('with-jiti')
})

/** An empty application below a folder that has the package installed. */
function enter(house: 'with-jiti' | 'without-jiti'): void {
  count++
  app = join(base, house, `app-${count}`)
  write('package.json', '{ "type": "module" }')
}

/** Installs the package as npm would, and of the optional peers only these. */
function install(house: string, peers: readonly string[]): void {
  const modules = join(base, house, 'node_modules')
  mkdirSync(join(modules, 'stowage'), { recursive: true })
  cpSync(join(base, 'dist'), join(modules, 'stowage', 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(modules, 'stowage', 'package.json'))
  for (const name of ['mime', 'saxes', 'xmlchars', 'undici', ...peers])
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
}

function write(name: string, text: string): void {
  const path = join(app, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Runs a program in the application; its output, or what it left on the terminal when it failed. */
async function execute(
  lines: readonly string[],
  options: { readonly env?: Record<string, string>; readonly folder?: string } = {},
): Promise<{ readonly output: string; readonly failure: string }> {
  const folder = join(app, options.folder ?? '')
  write(join(options.folder ?? '', 'main.mjs'), lines.join('\n'))
  const env = { PATH: process.env['PATH'], AWS_EC2_METADATA_DISABLED: 'true', ...options.env }
  try {
    const { stdout } = await run(process.execPath, ['main.mjs'], {
      cwd: folder,
      env,
      timeout: 30_000,
    })
    return { output: stdout.trim(), failure: '' }
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return { output: stdout.trim(), failure: stderr }
  }
}

const printUrl = [
  `import { defaultStorage } from 'stowage'`,
  `console.log(await defaultStorage.url('a.txt'))`,
]

describe('a config file', () => {
  it('in TypeScript names classes of TypeScript modules beside it, which are run once', async () => {
    write(
      'stowage.config.ts',
      `import { defineConfig } from 'stowage'
       const urls: Record<string, string> = { media: '/typed/' }
       export default defineConfig({
         storages: {
           default: { backend: './src/storages.ts#Media', options: { baseUrl: urls['media'] } },
           other: { backend: './src/storages.ts#Media' },
         },
       })`,
    )
    write(
      'src/storages.ts',
      `import { MemoryStorage, type MemoryStorageOptions } from 'stowage'
       console.log('storages.ts runs')
       export class Media extends MemoryStorage {
         constructor(options: MemoryStorageOptions) { super({ ...options, fileOverwrite: true }) }
       }`,
    )
    const { output, failure } = await execute([
      ...printUrl,
      `import { storages } from 'stowage'`,
      `await Promise.all([storages.default.exists('a'), storages.other.exists('a')])`,
      `await storages.default.save('a', 'one')`,
      `console.log(await storages.default.save('a', 'two'))`,
    ])
    expect({ output, failure }).toEqual({
      output: 'storages.ts runs\n/typed/a.txt\na',
      failure: '',
    })
  })

  it.skipIf(stripsTypes)(
    'in TypeScript says what to install where nothing can load it',
    async () => {
      enter('without-jiti')
      write('stowage.config.ts', 'export default {}')
      const { failure } = await execute(printUrl)
      expect(failure).toContain(
        `ImproperlyConfigured: ${join(app, 'stowage.config.ts')} could not be loaded: Node ${process.versions.node} runs no TypeScript by itself; install jiti (npm install --save-dev jiti), or use Node 22.18 or later.`,
      )
    },
  )

  it.each([
    ['js', 'export default { MEDIA_URL: "/js/" }', '/js/a.txt'],
    ['mjs', 'export default { MEDIA_URL: "/mjs/" }', '/mjs/a.txt'],
    ['json', '{ "MEDIA_URL": "/json/" }', '/json/a.txt'],
  ])('may be stowage.config.%s, also in a folder above', async (extension, text, url) => {
    write(`stowage.config.${extension}`, text)
    expect(await execute(printUrl)).toEqual({ output: url, failure: '' })
    expect(await execute(printUrl, { folder: 'packages/web' })).toEqual({
      output: url,
      failure: '',
    })
  })

  it('names classes of packages of the application, also those for import alone', async () => {
    const source = `export { MemoryStorage as X } from 'stowage'`
    for (const name of ['with-main', 'import-only'])
      write(`../node_modules/${name}/index.js`, source)
    write('../node_modules/with-main/package.json', '{ "type": "module", "main": "index.js" }')
    write(
      '../node_modules/import-only/package.json',
      '{ "type": "module", "exports": { "import": "./index.js" } }',
    )
    for (const name of ['with-main', 'import-only']) {
      const entry = `{ backend: '${name}#X', options: { baseUrl: '/${name}/' } }`
      write('stowage.config.mjs', `export default { storages: { default: ${entry} } }`)
      expect(await execute(printUrl)).toEqual({ output: `/${name}/a.txt`, failure: '' })
    }
  })

  it('decides before the environment, and an option before both', async () => {
    write(
      'stowage.config.mjs',
      `export default {
         storages: {
           default: { backend: 'stowage/s3#S3StaticStorage' },
           other: { backend: 'stowage/s3#S3StaticStorage', options: { bucketName: 'option' } },
         },
         AWS_STORAGE_BUCKET_NAME: 'file',
       }`,
    )
    const { output, failure } = await execute(
      [
        ...printUrl,
        `import { storages } from 'stowage'`,
        `console.log(await storages.other.url('a'))`,
      ],
      { env: { AWS_STORAGE_BUCKET_NAME: 'environment', AWS_S3_REGION_NAME: 'eu-central-1' } },
    )
    expect({ output, failure }).toEqual({
      output:
        'https://file.s3.eu-central-1.amazonaws.com/a.txt\nhttps://option.s3.eu-central-1.amazonaws.com/a',
      failure: '',
    })
  })
})

describe('without a config file', () => {
  it('files lie in ./media under /media/', async () => {
    const { output, failure } = await execute([
      ...printUrl,
      `await defaultStorage.save('d/a.txt', 'x')`,
      `console.log(defaultStorage.path('d/a.txt'))`,
    ])
    expect({ output, failure }).toEqual({
      output: `/media/a.txt\n${join(app, 'media/d/a.txt')}`,
      failure: '',
    })
    expect(readdirSync(join(app, 'media/d'))).toEqual(['a.txt'])
  })

  it('the environment alone configures a storage; variables of other tools are ignored', async () => {
    const env = {
      DEFAULT_FILE_STORAGE: 'storages.backends.s3boto3.S3StaticStorage',
      AWS_STORAGE_BUCKET_NAME: 'media',
      AWS_S3_CUSTOM_DOMAIN: 'cdn.example.com',
      AWS_QUERYSTRING_AUTH: 'no',
      AWS_PAGER: 'less',
      AWS_VAULT: 'work',
    }
    expect(await execute(printUrl, { env })).toEqual({
      output: 'https://cdn.example.com/a.txt',
      failure: '',
    })
  })

  it('a storage that is constructed directly does not search for a file', async () => {
    write('stowage.config.json', '{ "MEDIA_URL": "/file/" }')
    const { output, failure } = await execute([
      `import { MemoryStorage, loadConfig } from 'stowage'`,
      `console.log(await new MemoryStorage().url('a').catch(error => error.code))`,
      `await loadConfig()`,
      `console.log(await new MemoryStorage().url('a'))`,
    ])
    expect({ output, failure }).toEqual({
      output: 'ERR_STORAGE_IMPROPERLY_CONFIGURED\n/file/a',
      failure: '',
    })
  })
})

describe('what is printed when the configuration is wrong', () => {
  it.each<[name: string, file: string, text: string, printed: string[]]>([
    [
      'an unknown setting',
      'stowage.config.mjs',
      'export default { AWS_STORAGE_BUCKET: "b" }',
      [
        'ImproperlyConfigured: There is no setting AWS_STORAGE_BUCKET, found in stowage.config.mjs. Did you mean "AWS_STORAGE_BUCKET_NAME"?',
        "code: 'ERR_STORAGE_IMPROPERLY_CONFIGURED'",
        "setting: 'AWS_STORAGE_BUCKET'",
      ],
    ],
    [
      'an unknown option',
      'stowage.config.mjs',
      `export default { storages: { default: { backend: 'stowage/s3#S3Storage', options: { bucketNam: 's3cret' } } } }`,
      [
        'S3Storage (storages.default in stowage.config.mjs) has no option "bucketNam". Did you mean "bucketName"?',
      ],
    ],
    [
      'an option of the wrong type',
      'stowage.config.json',
      '{ "storages": { "default": { "backend": "stowage/s3#S3Storage", "options": { "querystringExpire": "s3cret" } } } }',
      [
        'Option "querystringExpire" of S3Storage (storages.default in stowage.config.json) must be a whole number, not a string.',
      ],
    ],
    [
      'a setting of the wrong type',
      'stowage.config.mjs',
      'export default { MEDIA_ROOT: ["s3cret"] }',
      ['MEDIA_ROOT in stowage.config.mjs must be a string, not a list.'],
    ],
    [
      'a syntax error',
      'stowage.config.mjs',
      'export default {{ }',
      ['stowage.config.mjs could not be loaded: Unexpected token', '[cause]: '],
    ],
    [
      'a syntax error in TypeScript, without quoting the line',
      'stowage.config.ts',
      `export default {\n  AWS_SECRET_ACCESS_KEY: 's3cret' oops }`,
      ['stowage.config.ts could not be loaded: ', '[cause]: '],
    ],
    [
      'a module that throws',
      'stowage.config.mjs',
      'throw new RangeError("no such stage")',
      ['stowage.config.mjs could not be loaded: no such stage', '[cause]: RangeError'],
    ],
    [
      'an import that is missing',
      'stowage.config.mjs',
      'import "./settings.mjs"',
      ['stowage.config.mjs could not be loaded: Cannot find module', 'settings.mjs'],
    ],
    [
      'JSON that does not parse, without quoting it',
      'stowage.config.json',
      '{ "AWS_SECRET_ACCESS_KEY": s3cret }',
      ['stowage.config.json is not valid JSON'],
    ],
    [
      'a file without a default export',
      'stowage.config.mjs',
      'export const config = {}',
      ['stowage.config.mjs has no default export; write: export default defineConfig({ … })'],
    ],
    [
      'a default export that is a promise',
      'stowage.config.mjs',
      'export default Promise.resolve({})',
      ['The configuration in stowage.config.mjs is an object, not a promise (await it).'],
    ],
    [
      'a default export that is a function',
      'stowage.config.mjs',
      'export default () => ({})',
      ['The configuration in stowage.config.mjs is an object, not a function.'],
    ],
    [
      'a class that this version does not have',
      'stowage.config.mjs',
      `export default { DEFAULT_FILE_STORAGE: 'stowage/s3#S3AncientStorage' }`,
      [
        'DEFAULT_FILE_STORAGE in stowage.config.mjs names stowage/s3#S3AncientStorage, but this version of stowage/s3 has no class S3AncientStorage.',
      ],
    ],
  ])('%s', async (_, file, text, printed) => {
    write(file, text)
    const { output, failure } = await execute(printUrl)
    expect(output).toBe('')
    for (const line of printed) expect(failure).toContain(line)
    expect(failure).not.toContain('s3cret')
  })

  it('a synchronous method before loadConfig(), which makes it work', async () => {
    write('stowage.config.mjs', 'export default { MEDIA_ROOT: "uploads" }')
    const { output, failure } = await execute([
      `import { defaultStorage, loadConfig } from 'stowage'`,
      `try { defaultStorage.path('a') } catch (error) { console.log(error.message) }`,
      'await loadConfig()',
      `console.log(defaultStorage.path('a'))`,
    ])
    expect({ output, failure }).toEqual({
      output: `The configuration is not loaded yet: call await loadConfig() first.\n${join(app, 'uploads/a')}`,
      failure: '',
    })
  })
})
