import type { BackendUrlOptions } from './backend.ts'
import { ImproperlyConfigured, UnsupportedError, ValidationError } from './errors.ts'
import { filepathToUri } from './names.ts'

/**
 * URL of a file that a web server publishes under `baseUrl` (a final `/` is added), as Django's
 * `FileSystemStorage.url`. Such URLs are permanent: `expiresIn` asks for less than they give.
 *
 * @throws ImproperlyConfigured without `baseUrl`
 * @throws UnsupportedError for `download` and for methods that only a service can allow
 */
export function publicUrl(
  baseUrl: string | null | undefined,
  name: string,
  options: BackendUrlOptions,
  owner: string,
): string {
  if (baseUrl === undefined || baseUrl === null) {
    throw new ImproperlyConfigured(
      `This file is not accessible via a URL: give ${owner} a "baseUrl".`,
      {
        setting: 'baseUrl',
      },
    )
  }
  if (options.method === 'PUT') throw new UnsupportedError(`URLs of ${owner} cannot be written to.`)
  if (options.download !== undefined) {
    throw new UnsupportedError(
      `URLs of ${owner} cannot ask for a download; that is up to the web server.`,
    )
  }
  const base = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`
  return base + filepathToUri(name) + queryOf(options.parameters)
}

/**
 * Parameters as a form-encoded query, `?` included, in their order; nothing for none.
 *
 * @throws ValidationError for values that are neither text nor numbers
 */
export function queryOf(parameters: BackendUrlOptions['parameters']): string {
  const entries = Object.entries(parameters ?? {})
  if (entries.length === 0) return ''
  const pairs = entries.map(([name, value]) => {
    if (typeof value === 'string' || Number.isFinite(value))
      return `${formEncode(name)}=${formEncode(String(value))}`
    throw new ValidationError(`URL parameter ${JSON.stringify(name)} is a string or a number.`)
  })
  return `?${pairs.join('&')}`
}

/** As Python's `urlencode`: RFC 3986's unreserved characters stay, a blank becomes `+`. */
function formEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}
