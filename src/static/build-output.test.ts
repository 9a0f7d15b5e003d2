import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readBuildOutput } from './build-output.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-build-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function write(name: string, content: unknown): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true })
  writeFileSync(join(dir, name), JSON.stringify(content))
}

describe('the output of Vite', () => {
  function hashedOf(...files: string[]): string[] {
    const chunks = files.map((file, index) => [`src/${index}.ts`, { file }] as const)
    write('.vite/manifest.json', Object.fromEntries(chunks))
    return [...readBuildOutput(dir).hashed]
  }

  it('has names that hold a hash', () => {
    const files = [
      'assets/main-BxY1z2_Q.js',
      'assets/main-DOsRCcLg.js',
      'assets/a-b-4f-sJ9ax.css',
      'assets/main.3f2a91bc.js',
      'assets/main-0a1b2c3d4e5f60718293.js',
    ]
    expect(hashedOf(...files)).toEqual(files)
  })

  it('has hashes that look like anything, behind what it calls a file', () => {
    write('.vite/manifest.json', {
      'src/logo.png': { file: 'assets/logo-B3GF2WG_.png', src: 'src/logo.png' },
      'src/main.js': {
        file: 'assets/main-k3j9x2a_.js',
        name: 'main',
        css: ['assets/main-A-B-C-D-.css', 'assets/my-wrapping.css'],
      },
      '_shared-_1234567.js': { file: 'assets/shared-_1234567.js', name: 'shared' },
      'src/index.js': { file: 'assets/VERSION-WXYZ1234.js', name: 'index' },
    })
    expect([...readBuildOutput(dir).hashed]).toEqual([
      'assets/logo-B3GF2WG_.png',
      'assets/main-k3j9x2a_.js',
      'assets/main-A-B-C-D-.css',
      'assets/shared-_1234567.js',
    ])
  })

  it('has names that do not change with the content: they are no hashes', () => {
    const files = [
      'main.js',
      'assets/my-component.js',
      'assets/lib-Component.js',
      'assets/lib-myWidgets.js',
      'assets/vendor.jquery-3.js',
      'assets/index-2026.js',
      'assets/polyfills-legacy.js',
      'assets/face-deadbeef.js',
    ]
    expect(hashedOf(...files)).toEqual([])
  })

  it('knows files by their sources, and what belongs to them', () => {
    write('.vite/manifest.json', {
      'src/main.ts': {
        file: 'assets/main-BxY1z2_Q.js',
        css: ['assets/main-C0ffee12.css'],
        assets: ['assets/logo-Ab3dEf_9.svg'],
      },
      '_shared-Zz9yXx8w.js': { file: 'assets/shared-Zz9yXx8w.js' },
    })
    const { hashed, aliases } = readBuildOutput(dir)
    expect([...aliases]).toEqual([['src/main.ts', 'assets/main-BxY1z2_Q.js']])
    expect(hashed.size).toBe(4)
  })
})

describe('the output of webpack', () => {
  it('lies behind a public path, which is no part of its names', () => {
    write('js/main.0a1b2c3d4e5f6071.js', 1)
    for (const path of ['/static/', 'https://cdn.example/x/', '/', '']) {
      write('manifest.json', {
        'main.js': `${path}js/main.0a1b2c3d4e5f6071.js`,
        'no.js': '/gone.js',
      })
      const { hashed, aliases } = readBuildOutput(dir)
      expect([...hashed]).toEqual(['js/main.0a1b2c3d4e5f6071.js'])
      expect([...aliases]).toEqual([['main.js', 'js/main.0a1b2c3d4e5f6071.js']])
    }
  })

  it('of Create React App has its files in a list of its own', () => {
    write('static/js/main.3f2a91bc.js', 1)
    write('asset-manifest.json', {
      files: { 'main.js': '/static/js/main.3f2a91bc.js' },
      entrypoints: ['static/js/main.3f2a91bc.js'],
    })
    expect([...readBuildOutput(dir).aliases]).toEqual([['main.js', 'static/js/main.3f2a91bc.js']])
  })
})

it.each(['[]', '{', 'null'])('refuses %s as a manifest', text => {
  writeFileSync(join(dir, 'manifest.json'), text)
  expect(() => readBuildOutput(dir)).toThrow(dir)
})

it('refuses a folder without a manifest', () => {
  expect(() => readBuildOutput(dir)).toThrow('set build.manifest in Vite')
})
