import { resolveOptions } from '../../core/options.ts'
import { Storage } from '../../core/storage.ts'
import { FileSystemBackend } from './filesystem-backend.ts'
import { type FileSystemStorageOptions, fileSystemSchema } from './options.ts'

export type { FileSystemStorageOptions }

/** Files in a folder of the local file system, as Django's `FileSystemStorage`. */
export class FileSystemStorage extends Storage {
  /** @throws ImproperlyConfigured for unknown options and wrong types; a missing `location` is said at the first use */
  constructor(options: FileSystemStorageOptions = {}) {
    const resolved = resolveOptions('FileSystemStorage', fileSystemSchema, options)
    super(new FileSystemBackend(resolved), resolved)
  }
}
