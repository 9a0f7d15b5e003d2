import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryStorage } from 'stowage'
import { collectStatic, ManifestStaticStorage, staticUrl } from 'stowage/staticfiles'
import { build } from 'vite'
import { describe, expect, it } from 'vitest'
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
