import type { StaticFilesConfiguration } from '../config/configuration.ts'
import { SuspiciousFileOperation } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { configuredRoots } from './collect-settings.ts'
import { findPaths } from './finders.ts'

export interface FindStaticOptions {
  /** Else the configured ones. */
  readonly dirs?: StaticFilesConfiguration['dirs']
}

/**
 * The path of the file that is collected under a name; `undefined` if there is none.
 *
 * @param options.all every folder's file of that name instead, the one that is collected first
 * @throws SuspiciousFileOperation for names with `..`
 */
export async function findStatic(
  name: string,
  options?: FindStaticOptions & { readonly all?: false | undefined },
): Promise<string | undefined>
export async function findStatic(
  name: string,
  options: FindStaticOptions & { readonly all: true },
): Promise<string[]>
export async function findStatic(
  name: string,
  options: FindStaticOptions & { readonly all?: boolean | undefined } = {},
): Promise<string | string[] | undefined> {
  if (typeof name !== 'string' || /(^|[/\\])\.\.([/\\]|$)|^\/|\0/.test(name))
    throw new SuspiciousFileOperation(`${quoteName(String(name))} is no name of a static file.`, {
      operation: 'findStatic',
      file: String(name),
    })
  const paths = findPaths(name, await configuredRoots(options))
  return options.all === true ? paths : paths[0]
}
