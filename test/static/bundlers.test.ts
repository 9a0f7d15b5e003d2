import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryStorage } from 'stowage'
import { collectStatic, ManifestStaticStorage, staticUrl } from 'stowage/staticfiles'
import { build } from 'vite'
import { describe, expect, it } from 'vitest'
import webpack from 'webpack'
import { WebpackManifestPlugin } from 'webpack-manifest-plugin'
import { Folders } from './folders.ts'

const sources = {
  'src/main.js': `import './site.css'
import logo from './logo.png'
import('./lazy.js').then(({ show }) => show(logo))
new Worker(new URL('./worker.js', import.meta.url))`,
  'src/lazy.js': 'export const show = url => console.log(url)',
  'src/worker.js': 'postMessage(1)',
  'src/site.css': 'body{background:url(./logo.png)}',
  // Larger than what Vite puts into the files themselves.
  'src/logo.png': 'logo'.repeat(2000),
  'public/robots.txt': 'User-agent: *',
}

async function buildWithVite(root: string): Promise<string> {
  await build({
    root,
    logLevel: 'silent',
    build: { manifest: true, rolldownOptions: { input: join(root, 'src/main.js') } },
  })
  return join(root, 'dist')
}

async function buildWithWebpack(context: string): Promise<string> {
  const path = join(context, 'dist')
  const compiler = webpack({
    context,
    mode: 'production',
    entry: { main: './src/main.js' },
    module: { rules: [{ test: /\.png$/, type: 'asset/resource' }] },
    output: {
      path,
      publicPath: '/static/',
      filename: '[name].[contenthash].js',
      chunkFilename: 'chunks/[name].[contenthash].js',
      assetModuleFilename: 'images/[name].[contenthash][ext]',
    },
    plugins: [new WebpackManifestPlugin({})],
  })
  if (compiler === null) throw new Error('There is no compiler.')
  await new Promise<void>((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error !== null) reject(error)
      else if (stats?.hasErrors() === true) reject(new Error(stats.toString()))
      else compiler.close(failure => (failure ? reject(failure) : resolve()))
    })
  })
  return path
}

describe('the output of a real Vite', () => {
  it('is collected under the names that it has, and known by its sources', async () => {
    using folders = new Folders()
    const dist = await buildWithVite(folders.make('project', sources))
    const files = new MemoryStorage({ baseUrl: '/static/' })
    const storage = new ManifestStaticStorage(files)
    const { warnings } = await collectStatic({ storage, dirs: [`build:${dist}`] })
    expect(warnings).toEqual([])
    const { paths } = JSON.parse(await (await files.file('staticfiles.json')).text())
    const built = Object.keys(paths).filter(name => name.startsWith('assets/'))
    // The entry, what it loads later, the worker, the style sheet and the image.
    expect(built).toHaveLength(5)
    for (const name of built) {
      // The worker's name is in no manifest of Vite: one hash more does no harm.
      if (!name.includes('worker')) expect(paths[name]).toBe(name)
      expect(await (await files.file(name)).text()).toBe(readFileSync(join(dist, name), 'utf8'))
    }
    expect(await staticUrl('src/main.js', { storage })).toMatch(/^\/static\/assets\/main-.{8}\.js$/)
    expect(await staticUrl('robots.txt', { storage })).toMatch(/robots\.[0-9a-f]{12}\.txt$/)
    expect(await collectStatic({ storage, dirs: [`build:${dist}`] })).toMatchObject({
      copied: [],
      postProcessed: [],
    })
  })
})

describe('the output of a real webpack', () => {
  it('is collected under the names that it has, and known by its sources', async () => {
    using folders = new Folders()
    const main = (sources['src/main.js'] ?? '').replace("import './site.css'\n", '')
    const dist = await buildWithWebpack(
      folders.make('project', { ...sources, 'src/main.js': main }),
    )
    const files = new MemoryStorage({ baseUrl: '/static/' })
    const storage = new ManifestStaticStorage(files)
    const { warnings } = await collectStatic({ storage, dirs: [`build:${dist}`] })
    expect(warnings).toEqual([])
    const { paths } = JSON.parse(await (await files.file('staticfiles.json')).text())
    const built = Object.keys(paths).filter(name => /\.(js|png)$/.test(name))
    // The entry, what it loads later, the worker and the image, and the sources that stand for them.
    expect(new Set(built.map(name => paths[name])).size).toBe(4)
    for (const name of new Set<string>(built.map(each => paths[each])))
      expect(await (await files.file(name)).text()).toBe(readFileSync(join(dist, name), 'utf8'))
    expect(await staticUrl('main.js', { storage })).toMatch(/^\/static\/main\.[0-9a-f]{20}\.js$/)
    expect(await staticUrl('images/logo.png', { storage })).toMatch(
      /^\/static\/images\/logo\.[0-9a-f]{20}\.png$/,
    )
    expect(await collectStatic({ storage, dirs: [`build:${dist}`] })).toMatchObject({
      copied: [],
      postProcessed: [],
    })
  })
})
