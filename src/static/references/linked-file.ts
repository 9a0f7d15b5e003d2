import { FileNotFoundError, type StorageError, SuspiciousFileOperation } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'
import type { MissingRule } from '../missing-policy.ts'
import type { StaticWarning } from '../warning.ts'
import type { Reference, Scan, ScanProblem } from './reference.ts'
import { resolveReference, rewrittenUrl, type Target } from './resolve.ts'
import { rewriteReferences } from './rewrite.ts'

/** What references are resolved against. */
export interface Site {
  readonly hasFile: (name: string) => boolean
  readonly hasFolder: (name: string) => boolean
  /** Path of the static files on the site, such as `/static/`. */
  readonly root: string | undefined
  readonly missing: MissingRule
  /** For messages: the folders that were searched. */
  readonly searched: readonly string[]
  readonly plusIsBlank: boolean
}

/** A reference that leads to a file or folder of the site. */
interface Link {
  readonly reference: Reference
  readonly target: Target & { readonly kind: 'name' }
  readonly isFolder: boolean
}

/** What became of a file's references. */
export interface LinkedFile {
  readonly links: readonly Link[]
  /** Names of the files that it refers to, and of folders with a final `/`. */
  readonly needs: readonly string[]
  readonly warnings: readonly StaticWarning[]
  readonly problems: readonly ScanProblem[]
  readonly errors: readonly StorageError[]
  /** Whether everything was found, so that it need not be searched again. */
  readonly settled: boolean
}

/** Warnings, and errors, of one file that are told; who mends those sees the others. */
const maxReports = 1000

/** Resolves the references of a file. */
export function linkFile(name: string, scan: Scan, site: Site): LinkedFile {
  const links: Link[] = []
  const needs = new Set<string>()
  const warnings: StaticWarning[] = scan.problems.map(problem => ({ file: name, ...problem }))
  const errors: StorageError[] = []
  let settled = true
  for (const reference of scan.references) {
    const target = resolveReference(reference.url, name, site.root)
    if (target.kind === 'foreign') continue
    const kind = target.kind === 'name' ? kindOf(target.name, reference, site) : undefined
    if (kind !== undefined && target.kind === 'name') {
      links.push({ reference, target, isFolder: kind === 'folder' })
      needs.add(kind === 'folder' ? `${target.name}/` : target.name)
      continue
    }
    settled = false
    if (reference.weight !== 'optional')
      reportMissing(name, reference, target, site, warnings, errors)
  }
  return { links, needs: [...needs], warnings, problems: scan.problems, errors, settled }
}

/** The bytes of a linked file under the hashed names that `storedName` gives. */
export function rewriteLinks(
  bytes: Uint8Array,
  links: readonly Link[],
  site: Site,
  storedName: (name: string) => string | undefined,
): Uint8Array {
  const targets = new Map(links.map(link => [link.reference, link]))
  return rewriteReferences(
    bytes,
    links.map(({ reference }) => reference),
    reference => {
      const link = targets.get(reference)
      // Django writes a folder's URL anew, too, in the one form that it has.
      if (link === undefined || link.isFolder) return reference.url
      const stored = storedName(link.target.name)
      return stored === undefined ? undefined : rewrittenUrl(link.target, stored, site.plusIsBlank)
    },
  )
}

function kindOf(name: string, reference: Reference, site: Site): 'file' | 'folder' | undefined {
  if (site.hasFile(name)) return 'file'
  // What a script imports is never a folder; what it makes a URL of may be one.
  const mayBeFolder = reference.form.startsWith('css') || reference.form === 'js-url'
  return mayBeFolder && site.hasFolder(name) ? 'folder' : undefined
}

function reportMissing(
  file: string,
  reference: Reference,
  target: Target,
  site: Site,
  warnings: StaticWarning[],
  errors: StorageError[],
): void {
  const { line, url, weight } = reference
  const wanted = target.kind === 'name' ? target.name : url
  const policy = site.missing(file, wanted, weight === 'map')
  const reports = policy === 'warn' ? warnings : errors
  if (policy === 'ignore' || reports.length >= maxReports) return
  const message = describe(url, target, site)
  if (policy === 'warn') {
    warnings.push({ file, line, message })
    return
  }
  const Kind = target.kind === 'outside' ? SuspiciousFileOperation : FileNotFoundError
  errors.push(new Kind(`${file}:${line}: ${message}`, { operation: 'collectStatic', file }))
}

function describe(url: string, target: Target, site: Site): string {
  const reference = quoteName(url.length > 200 ? `${url.slice(0, 200)}…` : url)
  if (target.kind !== 'name') return `${reference} leads out of the static files.`
  return `${reference} leads to ${quoteName(target.name)}, which is not there (searched: ${site.searched.join(', ')}).`
}
