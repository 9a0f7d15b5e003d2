import type { WriteOptions } from '../../core/backend.ts'
import { PreconditionFailedError, SuspiciousFileOperation } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { quoteName } from '../../core/quote.ts'
import { commit, type Target } from './commit.ts'
import { checkWritableName, splitPath } from './disk-names.ts'
import { errnoOf } from './fs-errors.ts'
import type { Root } from './root.ts'
import { WriteTarget } from './target.ts'
import { TemporaryFile } from './temporary-file.ts'

/** How new files and folders are to be. */
export interface SaveSettings {
  readonly fileMode: number | null
  readonly folderMode: number | null | undefined
  /** Whether to wait for the disk itself. */
  readonly durable: boolean
}

/** What of a write's options a save needs, whatever fills the file. */
export type SaveOptions = Pick<WriteOptions, 'condition' | 'nextName' | 'signal'>

/** How often a folder may be removed between its making and the first file in it. */
const maxAttempts = 100

/**
 * Stores a file: `fill` writes a temporary file in the folder of the name, and only when that is
 * finished does it get the name (see {@link commit}). Whatever fails, the temporary file goes, and
 * the folders that were made for it. Resolves to the name that it got.
 */
export async function saveFile(
  root: Root,
  name: Name,
  settings: SaveSettings,
  options: SaveOptions,
  fill: (file: TemporaryFile) => Promise<void>,
): Promise<Name> {
  const { target, file } = openTemporary(root, name, settings, options)
  let stored = false
  try {
    await fill(file)
    await file.finish(settings.fileMode, settings.durable)
    options.signal?.throwIfAborted()
    const saved = await commitToFreeName(name, target, file, options)
    file.discard()
    if (settings.durable) await target.sync()
    stored = true
    return saved
  } finally {
    file.discard()
    if (stored) target.close()
    else target.abandon()
  }
}

interface Opened {
  readonly target: WriteTarget
  readonly file: TemporaryFile
}

function openTemporary(
  root: Root,
  name: Name,
  settings: SaveSettings,
  options: SaveOptions,
): Opened {
  for (let attempt = 1; ; attempt++) {
    const target = WriteTarget.open(root, name, options.condition, settings.folderMode)
    try {
      return { target, file: TemporaryFile.create(target.folder, settings.fileMode) }
    } catch (error) {
      target.abandon()
      // Somebody removed the empty folder at this very moment.
      if (errnoOf(error) !== 'ENOENT' || attempt === maxAttempts) throw error
    }
  }
}

/** Under the condition `absent`, further names are tried with the finished file. */
async function commitToFreeName(
  name: Name,
  target: WriteTarget,
  file: TemporaryFile,
  options: SaveOptions,
): Promise<Name> {
  const { condition, nextName, signal } = options
  let candidate = name
  let place: Target = target
  for (;;) {
    try {
      await commit(file, place, condition, signal)
      return candidate
    } catch (error) {
      if (!(error instanceof PreconditionFailedError) || nextName === undefined) throw error
      candidate = alternativeTo(name, nextName)
      place = { folder: target.folder, last: splitPath(candidate)[1] }
    }
  }
}

/** The temporary file lies in the folder of the first name, and that is where it can get one. */
function alternativeTo(name: Name, nextName: () => Name): Name {
  const candidate = nextName()
  checkWritableName(candidate)
  if (splitPath(candidate)[0] === splitPath(name)[0]) return candidate
  throw new SuspiciousFileOperation(
    `The alternative name ${quoteName(candidate)} lies in another folder than ${quoteName(name)}: getAlternativeName() may only change the last part of a name.`,
    { file: candidate },
  )
}
