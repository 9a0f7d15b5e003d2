import { hasCode, isStorageError } from '../core/errors.ts'

/** What an error says, as a sentence. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause.message : ''
  // "fetch failed" and the like say nothing; what is behind them does.
  return isStorageError(error) || cause === '' ? error.message : `${error.message}: ${cause}`
}

/** @param permission that the operation needs, in the service's words, such as `s3:PutObject` */
export function adviceOn(error: unknown, permission: string): string {
  if (hasCode(error, 'ERR_STORAGE_IMPROPERLY_CONFIGURED') && error.setting !== undefined)
    return `Correct the option "${error.setting}".`
  if (hasCode(error, 'ERR_STORAGE_IMPROPERLY_CONFIGURED')) return 'Correct the configuration.'
  if (hasCode(error, 'ERR_STORAGE_PERMISSION_DENIED')) return `Allow ${permission}.`
  if (hasCode(error, 'ERR_STORAGE_UNAVAILABLE'))
    return 'Check "endpointUrl", the network and the proxy, and try again.'
  if (hasCode(error, 'ERR_STORAGE_INTEGRITY') || hasCode(error, 'ERR_STORAGE_FILE_CHANGED'))
    return 'Something between here and the service changes what goes through: look at proxies.'
  return 'Look at the cause of the error: the service does not do what it should.'
}
