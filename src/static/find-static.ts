import { checkStaticFilesOptions } from '../config/checked-configuration.ts'
import type { StaticFilesConfiguration } from '../config/configuration.ts'
import { SuspiciousFileOperation } from '../core/errors.ts'
import { checkText } from '../core/names.ts'
import { type ArgumentTypes, checkArguments } from '../core/options.ts'
import { quoteName } from '../core/quote.ts'
import { configuredRoots } from './collect-settings.ts'
import { findPaths } from './finders.ts'

export interface FindStaticOptions {
  /** Else the configured ones. */
  readonly dirs?: StaticFilesConfiguration['dirs']
}

const argumentTypes: ArgumentTypes<FindStaticOptions & { readonly all?: boolean | undefined }> = {
  dirs: 'unknown',
  all: 'boolean',
}

/**
 * The path of the file that is collected under a name; `undefined` if there is none.
 *
 * @param options.all every folder's file of that name instead, the one that is collected first
 * @throws SuspiciousFileOperation for names with `..`
 * @throws ImproperlyConfigured for folders that are not there, or none at all
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
  checkArguments('findStatic', argumentTypes, options)
  checkStaticFilesOptions({ dirs: options.dirs }, 'the options')
  checkText(name)
  if (/(^|[/\\])\.\.([/\\]|$)|^\/|\0/.test(name))
    throw new SuspiciousFileOperation(`${quoteName(name)} is no name of a static file.`, {
      operation: 'findStatic',
      file: name,
    })
  const paths = findPaths(name, await configuredRoots(options))
  return options.all === true ? paths : paths[0]
}
