/** Values under historical names (`AWS_…`, `MEDIA_ROOT`), and where they were written. */
export interface ConfiguredSettings {
  readonly values: Readonly<Record<string, unknown>>
  /** For messages, such as `stowage.config.ts` or `configure()`. */
  readonly origin: string
  /**
   * Set while the registry constructs a storage: the entry whose options the constructor gets, for
   * messages, such as `storages.default in stowage.config.ts`.
   */
  readonly entry?: string | undefined
}

/** Environment variables, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where options that no constructor was given come from. */
export interface SettingsSource {
  readonly configured: ConfiguredSettings | undefined
  readonly environment: Environment
}

/** Under this symbol `config/` keeps what was configured, so that two installs share it. */
export const settingsKey: unique symbol = Symbol.for('stowage.settings')

/**
 * What was configured so far, and the environment. Read at each construction, never at import.
 * See decisions/0003-settings.md for why constructors look here.
 */
export function currentSettings(): SettingsSource {
  const shared = globalThis as { [settingsKey]?: ConfiguredSettings | undefined }
  return { configured: shared[settingsKey], environment: processEnvironment() }
}

/** `process.env` where there is one. */
export function processEnvironment(): Environment {
  const { process } = globalThis as { process?: { env?: Environment | undefined } | undefined }
  return process?.env ?? {}
}
