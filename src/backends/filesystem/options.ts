import type { OptionSchema } from '../../core/options.ts'
import {
  baseUrlOption,
  fileOverwriteOption,
  maxNameLengthOption,
} from '../../core/storage-options.ts'

/** Django's default for uploaded files: everybody reads, so that a web server can. */
const defaultFilePermissions = 0o644

export interface FileSystemStorageOptions {
  /**
   * Folder that holds the files, made at the first save. A relative one counts from the working
   * directory at construction. Without it, the first use is `ImproperlyConfigured`.
   */
  readonly location?: string | undefined
  /** What `url` puts in front of names, such as `/media/`. Without it, `url` is refused. */
  readonly baseUrl?: string | null | undefined
  /** Default false. */
  readonly fileOverwrite?: boolean | undefined
  /** Permission bits of stored files, default `0o644`; `null` leaves them to the umask. */
  readonly filePermissionsMode?: number | null | undefined
  /** Permission bits of every folder that a save makes; default: left to the umask. */
  readonly directoryPermissionsMode?: number | null | undefined
  /**
   * Whether a save waits until the file and its folder's entry are on the disk itself. Default
   * false, as Django: a file survives the death of the process at once, a power failure only
   * after the system's own write-back (some 30 seconds).
   */
  readonly fsync?: boolean | undefined
  /** Default of `maxLength`, in code points. */
  readonly maxNameLength?: number | undefined
}

export const fileSystemSchema: OptionSchema<FileSystemStorageOptions> = {
  location: {
    type: 'string',
    settings: ['MEDIA_ROOT'],
    check: findLocationProblem,
    meaning: 'Folder that holds the files; made at the first save.',
  },
  baseUrl: baseUrlOption,
  fileOverwrite: fileOverwriteOption,
  filePermissionsMode: {
    type: 'mode',
    settings: ['FILE_UPLOAD_PERMISSIONS'],
    or: [null],
    default: defaultFilePermissions,
    meaning: 'Permission bits of stored files; null leaves them to the umask.',
  },
  directoryPermissionsMode: {
    type: 'mode',
    settings: ['FILE_UPLOAD_DIRECTORY_PERMISSIONS'],
    or: [null],
    meaning: 'Permission bits of every folder that a save makes; default: left to the umask.',
  },
  fsync: {
    type: 'boolean',
    default: false,
    meaning: 'Whether a save waits until the disk itself has the file and its name.',
  },
  maxNameLength: maxNameLengthOption,
}

function findLocationProblem(location: string): string | undefined {
  if (location === '') return 'must not be empty; "." is the working directory'
  if (location.includes('\0')) return 'must not contain a NUL character'
  if (/^~(\/|$)/.test(location)) return 'must be a path; "~" is known to shells alone'
  return /^file:/i.test(location) ? 'must be a path, as fileURLToPath() makes of a URL' : undefined
}
