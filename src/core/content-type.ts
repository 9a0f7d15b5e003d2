import mime from 'mime'
import { baseName } from './names.ts'

/** Suffixes in daily use that IANA's table does not know as suffixes. */
const furtherTypes: Readonly<Record<string, string>> = {
  tgz: 'application/gzip',
  svgz: 'image/svg+xml',
}

/**
 * The MIME type that the name's last suffix stands for, of any case; `undefined` if there is none.
 * The table is IANA's (package `mime`), never the machine's. A dotfile (`.htaccess`) has no
 * suffix. Text types carry no charset.
 */
export function contentTypeOf(name: string): string | undefined {
  const file = baseName(name)
  const dot = file.lastIndexOf('.')
  if (dot <= 0) return undefined
  const suffix = file.slice(dot + 1).toLowerCase()
  return mime.getType(suffix) ?? furtherTypes[suffix]
}
