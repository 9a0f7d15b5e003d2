import { compareUtf8, firstIndex } from './key-index.ts'

/** What of the keys is asked for. */
export interface ListRequest {
  readonly prefix: string
  /** '' for none. */
  readonly delimiter: string
  /** Only what sorts after this; and where it is a common prefix, nothing below it. */
  readonly after: string
  readonly limit: number
}

/** One page of keys. */
export interface ListPage {
  readonly keys: readonly string[]
  readonly prefixes: readonly string[]
  /** The last key or prefix of the page, undefined if it is empty. */
  readonly last: string | undefined
  readonly truncated: boolean
}

/**
 * Takes one page from keys in UTF-8 order. It jumps over what a common prefix covers, so that a page
 * costs what it returns, whatever lies between.
 */
export function listPage(keys: readonly string[], request: ListRequest): ListPage {
  const page = {
    keys: [] as string[],
    prefixes: [] as string[],
    last: undefined as string | undefined,
  }
  let at = startIndex(keys, request)
  while (page.keys.length + page.prefixes.length < request.limit) {
    const key = keys[at]
    if (key === undefined || !key.startsWith(request.prefix)) return { ...page, truncated: false }
    const common = commonPrefix(key, request)
    if (common === undefined) page.keys.push(key)
    else page.prefixes.push(common)
    page.last = common ?? key
    at = common === undefined ? at + 1 : afterPrefix(keys, at, common)
  }
  const next = keys[at]
  return { ...page, truncated: request.limit > 0 && next?.startsWith(request.prefix) === true }
}

function startIndex(keys: readonly string[], { prefix, delimiter, after }: ListRequest): number {
  const at = firstIndex(keys, 0, key => compareUtf8(key, prefix) >= 0)
  if (after === '') return at
  const next = firstIndex(keys, at, key => compareUtf8(key, after) > 0)
  const rolledUp = delimiter !== '' && after.startsWith(prefix) && after.endsWith(delimiter)
  return rolledUp && after.length > prefix.length ? afterPrefix(keys, next, after) : next
}

function commonPrefix(key: string, { prefix, delimiter }: ListRequest): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

function afterPrefix(keys: readonly string[], from: number, prefix: string): number {
  return firstIndex(keys, from, key => !key.startsWith(prefix) && compareUtf8(key, prefix) > 0)
}
