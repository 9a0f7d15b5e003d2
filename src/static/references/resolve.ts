/** Where a reference leads. */
export type Target =
  /** Another host, another scheme, a fragment: nothing to do with files here. */
  | { readonly kind: 'foreign' }
  /** Above the root of the static files. */
  | { readonly kind: 'outside' }
  /** A file or folder: its name, and what has to be kept of the URL. */
  | {
      readonly kind: 'name'
      readonly name: string
      readonly folder: string
      readonly suffix: string
    }

const foreign: Target = { kind: 'foreign' }

/**
 * The name that a URL in the file `from` leads to.
 *
 * @param root path under which static files are published, such as `/static/`; `undefined`: on
 *   a host that no path alone leads to
 */
export function resolveReference(url: string, from: string, root: string | undefined): Target {
  if (/^[a-z][a-z0-9+.-]*:/i.test(url) || url.startsWith('//')) return foreign
  const { path, suffix } = splitUrl(url)
  if (path === '') return foreign
  const decoded = decodePath(path)
  const absolute = decoded.startsWith('/')
  if (absolute && (root === undefined || !decoded.startsWith(root))) return foreign
  const start = absolute ? [] : from.split('/').slice(0, -1)
  const name = join(start, absolute ? decoded.slice(root?.length) : decoded)
  if (name === undefined) return { kind: 'outside' }
  const folder = decoded.slice(0, decoded.lastIndexOf('/') + 1)
  return { kind: 'name', name, folder, suffix }
}

/**
 * The URL that takes a reference's place. It is decoded but for what would be read as something
 * else, as Django's: so names of rewritten files are equal to Django's.
 *
 * @param plusIsBlank whether the server reads a `+` in a path as a blank, as S3 does
 */
export function rewrittenUrl(
  target: Target & { kind: 'name' },
  stored: string,
  plusIsBlank: boolean,
): string {
  const path = target.folder + stored.slice(stored.lastIndexOf('/') + 1)
  const special = plusIsBlank ? /[%#?+]/g : /[%#?]/g
  return (
    path.replaceAll(special, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`) +
    target.suffix
  )
}

/** Query and fragment are kept as they are; a lone `?` or `#` means nothing. */
function splitUrl(url: string): { readonly path: string; readonly suffix: string } {
  const hash = url.indexOf('#')
  const beforeHash = hash < 0 ? url : url.slice(0, hash)
  const fragment = hash < 0 ? '' : url.slice(hash)
  const mark = beforeHash.indexOf('?')
  const path = mark < 0 ? beforeHash : beforeHash.slice(0, mark)
  const query = mark < 0 ? '' : beforeHash.slice(mark)
  const rest = fragment === '#' ? '' : fragment
  return { path, suffix: query === '?' && rest === '' ? '' : query + rest }
}

/** Percent escapes undone, as far as they are UTF-8; others are part of the name. */
function decodePath(path: string): string {
  return path.replaceAll(/(?:%[0-9a-f]{2})+/gi, escapes => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      return escapes
    }
  })
}

/** `undefined` above the root. A final `/` is dropped: it is a folder's. */
function join(start: readonly string[], path: string): string | undefined {
  const segments = [...start]
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment !== '..') segments.push(segment)
    else if (segments.pop() === undefined) return undefined
  }
  return segments.join('/')
}
