/** Settings of one profile, by their lower-case names. */
export type Profile = ReadonlyMap<string, string>

/**
 * Reads a shared credentials or configuration file
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html): sections with `name = value`
 * lines. In configuration files sections are called `profile x`. Nested settings are passed over.
 */
export function parseProfiles(text: string): Map<string, Profile> {
  const profiles = new Map<string, Map<string, string>>()
  let current: Map<string, string> | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const section = /^\[\s*(?:profile\s+)?([^\]]+?)\s*\]\s*([#;].*)?$/.exec(line)?.[1]
    if (section !== undefined) {
      current = profiles.get(section) ?? new Map()
      profiles.set(section, current)
      continue
    }
    const setting = /^([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (setting !== null)
      current?.set((setting[1] ?? '').toLowerCase(), (setting[2] ?? '').replace(/\s+[#;].*$/, ''))
  }
  return profiles
}
