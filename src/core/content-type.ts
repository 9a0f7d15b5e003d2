import otherTypes from 'mime/types/other.js'
import standardTypes from 'mime/types/standard.js'
import { baseName } from './names.ts'

/** Suffixes in daily use that IANA's table does not know as suffixes. */
const furtherTypes = {
  'application/gzip': ['tgz'],
  'image/svg+xml': ['svgz'],
}

/** The types by their suffixes. Made at the first question: most programs never ask. */
class TypeTable {
  #types: Map<string, string> | undefined

  get(suffix: string): string | undefined {
    this.#types ??= typesBySuffix()
    return this.#types.get(suffix)
  }
}

const table = new TypeTable()

/**
 * The MIME type that the name's last suffix stands for, of any case; `undefined` if there is none.
 * The table is IANA's (package `mime`), never the machine's. A dotfile (`.htaccess`) has no
 * suffix. Text types carry no charset.
 */
export function contentTypeOf(name: string): string | undefined {
  const file = baseName(name)
  const dot = file.lastIndexOf('.')
  return dot <= 0 ? undefined : table.get(file.slice(dot + 1).toLowerCase())
}

/** A suffix with `*` in front is another type's in the first place. */
function typesBySuffix(): Map<string, string> {
  const types = new Map<string, string>()
  for (const source of [standardTypes, otherTypes, furtherTypes]) {
    for (const [type, suffixes] of Object.entries<readonly string[]>(source)) {
      for (const suffix of suffixes) {
        if (!suffix.startsWith('*') && !types.has(suffix)) types.set(suffix, type)
      }
    }
  }
  return types
}
