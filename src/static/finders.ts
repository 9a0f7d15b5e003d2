import { type Dirent, existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { StaticFilesDir } from '../config/configuration.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { type BuildOutput, readBuildOutput } from './build-output.ts'
import { compilePattern, defaultIgnorePatterns, isIgnored } from './ignore-patterns.ts'
import type { StaticWarning } from './warning.ts'

/** A folder that is searched, and the prefix that its files get. */
export interface StaticRoot {
  /** '' or a name that ends in `/`. */
  readonly prefix: string
  readonly dir: string
  /** What a bundler wrote down about its output. */
  readonly build: BuildOutput | undefined
}

/** A file that was found, under the name that it will have. */
export interface FoundFile {
  readonly name: string
  readonly path: string
  readonly root: StaticRoot
}

/** What the finders found: the first file of each name, and what they did not take. */
export interface FoundFiles {
  readonly files: ReadonlyMap<string, FoundFile>
  /** Files whose name an earlier root has. */
  readonly shadowed: readonly FoundFile[]
  readonly warnings: readonly StaticWarning[]
}

/** What is searched. */
export interface FinderOptions {
  readonly roots: readonly StaticRoot[]
  /** Patterns of names that are left out. */
  readonly ignore: readonly string[]
  readonly useDefaultIgnore: boolean
}

/**
 * The roots that a list of folders names: a folder, `[prefix, folder]`, `npm:package/folder` (below
 * the package's name unless a pair says otherwise), `build:folder` (output of Vite or webpack).
 *
 * @param base what relative folders are relative to
 * @throws ImproperlyConfigured for a folder or package that is not there, and for a bad prefix
 */
export function openRoots(dirs: readonly StaticFilesDir[], base: string): StaticRoot[] {
  return dirs.map(entry => {
    const [prefix, place] = typeof entry === 'string' ? [undefined, entry] : entry
    checkPrefix(prefix)
    const { dir, prefix: own } = locate(place, base)
    const build = place.startsWith('build:') ? readBuildOutput(dir) : undefined
    const folder = prefix ?? own
    return { prefix: folder === '' ? '' : `${folder}/`, dir: realpathSync(dir), build }
  })
}

/** Every file of the roots, in their order, sorted inside of each. */
export function findFiles(options: FinderOptions): FoundFiles {
  const ignore = patternsOf(options)
  const files = new Map<string, FoundFile>()
  const shadowed: FoundFile[] = []
  const warnings: StaticWarning[] = []
  for (const root of options.roots) {
    for (const file of walk(root, ignore, warnings)) {
      if (files.has(file.name)) shadowed.push(file)
      else files.set(file.name, file)
    }
  }
  return { files, shadowed, warnings: [...warnings, ...likenesses(files.keys())] }
}

/** Names that are one where case is ignored, as on the disks of macOS and Windows. */
function likenesses(names: Iterable<string>): StaticWarning[] {
  const seen = new Map<string, string>()
  const warnings: StaticWarning[] = []
  for (const file of names) {
    const folded = file.toLowerCase()
    const other = seen.get(folded)
    if (other === undefined) seen.set(folded, file)
    else
      warnings.push({
        file,
        message: `its name differs from that of ${quoteName(other)} in case only: where case is ignored, one takes the other's place`,
      })
  }
  return warnings
}

/** The paths of a name, the one that is collected first. */
export function findPaths(name: string, roots: readonly StaticRoot[]): string[] {
  return roots.flatMap(({ prefix, dir }) => {
    if (!name.startsWith(prefix) || name === prefix) return []
    const path = join(dir, name.slice(prefix.length))
    return isInside(path, dir) && isFileOf(path, dir) ? [path] : []
  })
}

function checkPrefix(prefix: string | undefined): void {
  if (prefix === undefined) return
  // Django's check E003.
  if (prefix.endsWith('/') || prefix.startsWith('/') || /(^|\/)\.{0,2}(\/|$)|\\/.test(prefix))
    throw new ImproperlyConfigured(
      `The prefix ${quoteName(prefix)} in staticfiles.dirs is a name without "/" at its ends, "." and "..".`,
      { setting: 'staticfiles.dirs' },
    )
}

function locate(place: string, base: string): { readonly dir: string; readonly prefix: string } {
  const found = place.startsWith('npm:')
    ? locatePackage(place.slice('npm:'.length), base)
    : { dir: resolve(base, place.replace(/^build:/, '')), prefix: '' }
  if (statSync(found.dir, { throwIfNoEntry: false })?.isDirectory() === true) return found
  throw new ImproperlyConfigured(
    `staticfiles.dirs names ${quoteName(place)}, but there is no folder ${found.dir}.`,
    { setting: 'staticfiles.dirs' },
  )
}

/** A package as the folder `base` sees it, whatever its exports hide. */
function locatePackage(specifier: string, base: string): { dir: string; prefix: string } {
  const parts = specifier.split('/')
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
  const inside = parts.slice(specifier.startsWith('@') ? 2 : 1).join('/')
  const paths = createRequire(join(base, 'stowage.config.js')).resolve.paths(name) ?? []
  const dir = paths.map(path => join(path, name)).find(path => existsSync(path))
  if (name === '' || dir === undefined)
    throw new ImproperlyConfigured(
      `staticfiles.dirs names the package ${quoteName(name)}, which is not installed where ${base} could find it.`,
      { setting: 'staticfiles.dirs' },
    )
  return { dir: join(dir, inside), prefix: name }
}

function patternsOf({ ignore, useDefaultIgnore }: FinderOptions): RegExp[] {
  return [...(useDefaultIgnore ? defaultIgnorePatterns : []), ...ignore].map(compilePattern)
}

/** A folder that is being searched. */
interface OpenFolder {
  /** '' for the root, else with a final `/`. */
  readonly path: string
  /** Where it really is. */
  readonly real: string
  /** The folder whose link led here, or above here. */
  readonly via: OpenFolder | undefined
}

/** Linked folders that are searched in one root: links can make more paths than there is time. */
const maxLinkedFolders = 10_000

function* walk(
  root: StaticRoot,
  ignore: readonly RegExp[],
  warnings: StaticWarning[],
): Generator<FoundFile> {
  const folders: OpenFolder[] = [{ path: '', real: root.dir, via: undefined }]
  let linked = 0
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const below: OpenFolder[] = []
    for (const entry of entriesOf(root, folder.path, warnings)) {
      const path = folder.path + entry.name
      if (isIgnored(path, ignore)) continue
      const found = kindOf(root, folder, entry, warnings)
      if (found === 'file') {
        if (isStorable(root.prefix + path, warnings))
          yield { name: root.prefix + path, path: root.dir + sep + path, root }
      } else if (found !== undefined && (found.via === folder.via || ++linked <= maxLinkedFolders))
        below.push(found)
    }
    folders.push(...below.reverse())
  }
  if (linked > maxLinkedFolders) warnings.push(tooManyLinks(root))
}

function tooManyLinks({ prefix, dir }: StaticRoot): StaticWarning {
  const message = `the links in ${dir} lead to more than ${maxLinkedFolders} folders`
  return { file: prefix, message, failed: true }
}

function entriesOf(root: StaticRoot, folder: string, warnings: StaticWarning[]): Dirent[] {
  try {
    return readdirSync(join(root.dir, folder), { withFileTypes: true }).sort(byName)
  } catch (error) {
    warnings.push({
      file: root.prefix + folder,
      message: `the folder cannot be read: ${reason(error)}`,
      failed: true,
    })
    return []
  }
}

const neither = 'it is neither a file nor a folder, and was left out'

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : 1
}

function kindOf(
  root: StaticRoot,
  folder: OpenFolder,
  entry: Dirent,
  warnings: StaticWarning[],
): 'file' | OpenFolder | undefined {
  const path = folder.path + entry.name
  if (entry.isFile()) return 'file'
  if (entry.isDirectory())
    return { path: `${path}/`, real: folder.real + sep + entry.name, via: folder.via }
  if (entry.isSymbolicLink()) return linkKind(root, folder, path, warnings)
  warnings.push({ file: root.prefix + path, message: neither })
  return undefined
}

/** A link is followed inside of the root: what lies outside was never meant to be published. */
function linkKind(
  root: StaticRoot,
  folder: OpenFolder,
  path: string,
  warnings: StaticWarning[],
): 'file' | OpenFolder | undefined {
  const file = root.prefix + path
  try {
    const real = realpathSync.native(join(folder.real, basename(path)))
    if (!isInside(real, root.dir)) {
      warnings.push({ file, message: 'it is a link out of its folder, and was left out' })
      return undefined
    }
    const stat = statSync(real)
    if (stat.isFile()) return 'file'
    if (!stat.isDirectory()) warnings.push({ file, message: neither })
    else if (!isHeldBy(real, folder)) return { path: `${path}/`, real, via: folder }
    else
      warnings.push({ file, message: 'it is a link to a folder that holds it, and was left out' })
  } catch (error) {
    warnings.push({ file, message: `the link leads nowhere (${reason(error)}), and was left out` })
  }
  return undefined
}

/** Whether the way to a folder leads through a place already: it would go round for ever. */
function isHeldBy(real: string, folder: OpenFolder): boolean {
  for (let each: OpenFolder | undefined = folder; each !== undefined; each = each.via)
    if (isInside(each.real, real)) return true
  return false
}

function isStorable(name: string, warnings: StaticWarning[]): boolean {
  if (!/[\u0000-\u001f\u007f\\]|\ufffd/.test(name) && name.isWellFormed()) return true
  const message =
    'its name holds a control character, a backslash or what is no UTF-8, and was left out'
  warnings.push({ file: name, message })
  return false
}

/** Whether a path is the folder or lies in it. */
export function isInside(path: string, dir: string): boolean {
  const way = relative(dir, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** Whether a file of the folder is there: a link that leads out of it is not collected. */
function isFileOf(path: string, dir: string): boolean {
  try {
    return statSync(path).isFile() && isInside(realpathSync.native(path), dir)
  } catch {
    return false
  }
}

function reason(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
