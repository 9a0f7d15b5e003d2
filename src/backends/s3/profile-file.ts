import { ImproperlyConfigured } from '../../core/errors.ts'

/** Settings of one profile, by their lower-case names. */
export type Profile = ReadonlyMap<string, string>

/** In a `credentials` file sections are called `x`, in a `config` file `profile x` or `default`. */
export type ProfileFileKind = 'credentials' | 'config'

/**
 * Reads a shared credentials or configuration file
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html): sections of `name = value`
 * lines with comments behind `#` and `;`. Lines that are indented deeper than the setting above
 * belong to it and are passed over, and so are sections of a `config` file that are no profiles.
 *
 * @param path for messages
 * @throws ImproperlyConfigured naming the line, never what it holds, for anything else
 */
export function parseProfiles(
  text: string,
  kind: ProfileFileKind,
  path: string,
): Map<string, Profile> {
  const reader = new ProfileReader(kind)
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
  for (const [index, line] of lines.entries()) {
    if (reader.read(line)) continue
    throw new ImproperlyConfigured(
      `Line ${index + 1} of ${path} is neither a "[section]" nor a "name = value" of one.`,
      { setting: 'sessionProfile' },
    )
  }
  return reader.profiles
}

class ProfileReader {
  readonly profiles = new Map<string, Map<string, string>>()
  readonly #kind: ProfileFileKind
  #section: Map<string, string> | undefined
  /** Of the last setting. */
  #indentation = Number.POSITIVE_INFINITY

  constructor(kind: ProfileFileKind) {
    this.#kind = kind
  }

  /** Whether the line is one of such a file. */
  read(line: string): boolean {
    if (/^\s*(?:[#;].*)?$/.test(line)) return true
    if (line.startsWith('[')) return this.#readSection(line)
    return this.#readSetting(line)
  }

  #readSection(line: string): boolean {
    const title = /^\[\s*([^\]]*[^\]\s])\s*\]\s*(?:[#;].*)?$/.exec(line)?.[1]
    if (title === undefined) return false
    const name = profileName(title, this.#kind)
    this.#section = (name === undefined ? undefined : this.profiles.get(name)) ?? new Map()
    if (name !== undefined) this.profiles.set(name, this.#section)
    this.#indentation = Number.POSITIVE_INFINITY
    return true
  }

  #readSetting(line: string): boolean {
    if (this.#section === undefined) return false
    const indentation = line.search(/\S/)
    if (indentation > this.#indentation) return true
    this.#indentation = indentation
    const match = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line)
    if (match === null) return false
    const [, name = '', value = ''] = match
    this.#section.set(name.toLowerCase(), value.replace(/(?:^|\s+)[#;].*$/, ''))
    return true
  }
}

/** `undefined` for a section that is no profile. */
function profileName(title: string, kind: ProfileFileKind): string | undefined {
  if (kind === 'credentials' || title === 'default') return title
  return /^profile\s+(["']?)(.+)\1$/.exec(title)?.[2]
}
