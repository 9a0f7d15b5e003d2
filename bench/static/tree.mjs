// The files that are collected: packages from npm, below the folder that is given.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What of which package; exact versions, so that figures compare. */
const parts = {
  'bootstrap/dist': 'bootstrap@5.3.9',
  '@fortawesome/fontawesome-free/css': '@fortawesome/fontawesome-free@7.3.1',
  '@fortawesome/fontawesome-free/js': '@fortawesome/fontawesome-free@7.3.1',
  '@fortawesome/fontawesome-free/webfonts': '@fortawesome/fontawesome-free@7.3.1',
  '@fortawesome/fontawesome-free/sprites': '@fortawesome/fontawesome-free@7.3.1',
  swiper: 'swiper@14.4.0',
  'leaflet/dist': 'leaflet@1.9.4',
  'katex/dist': 'katex@0.19.1',
  'monaco-editor/min': 'monaco-editor@0.57.0',
  mathjax: 'mathjax@4.1.3',
  '@mathjax/mathjax-newcm-font': '@mathjax/mathjax-newcm-font@4.1.3',
}
/** What makes the large tree of the small one. */
const icons = {
  '@fortawesome/fontawesome-free/svgs': '@fortawesome/fontawesome-free@7.3.1',
  '@fortawesome/fontawesome-free/svgs-full': '@fortawesome/fontawesome-free@7.3.1',
  'bootstrap-icons': 'bootstrap-icons@1.13.2',
}

/**
 * Makes the tree, unless it is there.
 *
 * @param size `small` (about 2,100 files) or `large` (about 10,600)
 */
export function makeTree(folder, size) {
  const tree = join(folder, size)
  if (existsSync(join(tree, '.done'))) return join(tree, 'files')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  const wanted = size === 'large' ? { ...parts, ...icons } : parts
  writeFileSync(join(tree, 'package.json'), '{"private":true}')
  const packages = [...new Set(Object.values(wanted))]
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', ...packages]
  const { status } = spawnSync('npm', args, { cwd: tree, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('npm install failed.')
  for (const part of Object.keys(wanted)) {
    const options = { recursive: true, dereference: true, filter: path => !isIgnored(path, tree) }
    cpSync(join(tree, 'node_modules', part), join(tree, 'files', part), options)
  }
  rmSync(join(tree, 'node_modules'), { recursive: true })
  writeFileSync(join(tree, '.done'), '')
  return join(tree, 'files')
}

function isIgnored(path, tree) {
  return /\/node_modules\//.test(path.slice(join(tree, 'node_modules').length))
}
