import type { OperationOptions } from '../core/backend.ts'
import { UnsupportedError, ValidationError } from '../core/errors.ts'
import { type ArgumentTypes, checkArguments } from '../core/options.ts'
import type { Storage } from '../core/storage.ts'
import { resolveStorage } from './collect-settings.ts'
import { rolledBack } from './generations.ts'
import { commitManifest } from './manifest-commit.ts'
import { hasManifest, manifestKey } from './static-manifest.ts'

export interface RollbackOptions extends OperationOptions {
  /** Default: the configured storage of static files. */
  readonly storage?: Storage | undefined
}

/** The generation that is in force now, and the one that was. */
export interface RollbackResult {
  readonly hash: string
  readonly created: string | undefined
  readonly from: string
}

const argumentTypes: ArgumentTypes<RollbackOptions> = { storage: 'object', signal: 'signal' }

/**
 * Puts the generation before the current one in force again, by one write of the manifest. Plain
 * names keep their newest content. The generation that was left stays until it is pruned; a second
 * call goes one further back.
 *
 * @throws ValidationError if the manifest knows no generation before
 * @throws PreconditionFailedError if another run finished meanwhile
 */
export async function rollbackStatic(options: RollbackOptions = {}): Promise<RollbackResult> {
  checkArguments('rollbackStatic', argumentTypes, options)
  const storage = await resolveStorage(options.storage)
  if (!hasManifest(storage))
    throw new UnsupportedError('A storage without a manifest has no generations.', {
      operation: 'rollbackStatic',
    })
  const place = storage[manifestKey]
  const before = await place.read({ signal: options.signal })
  const manifest = rolledBack(before.manifest)
  if (manifest === undefined)
    throw new ValidationError(`${place.manifestName} knows no generation before the current one.`, {
      operation: 'rollbackStatic',
    })
  await commitManifest(place, before, manifest, options.signal)
  return { hash: manifest.hash, created: manifest.created, from: before.manifest.hash }
}
