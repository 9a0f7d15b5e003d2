import { type OptionSchema, resolveOptions } from '../../core/options.ts'
import { Storage } from '../../core/storage.ts'
import {
  baseUrlOption,
  fileOverwriteOption,
  maxNameLengthOption,
} from '../../core/storage-options.ts'
import { MemoryBackend } from './memory-backend.ts'

export interface MemoryStorageOptions {
  /** What `url` puts in front of names, such as `/media/`. Without it, `url` is refused. */
  readonly baseUrl?: string | null | undefined
  /** Default false. */
  readonly fileOverwrite?: boolean | undefined
  /** Default of `maxLength`, in code points. */
  readonly maxNameLength?: number | undefined
}

const schema: OptionSchema<MemoryStorageOptions> = {
  baseUrl: baseUrlOption,
  fileOverwrite: fileOverwriteOption,
  maxNameLength: maxNameLengthOption,
}

/** Files in memory, gone with the process: for tests and as the reference of every promise. */
export class MemoryStorage extends Storage {
  /** @throws ImproperlyConfigured for unknown options and wrong types */
  constructor(options: MemoryStorageOptions = {}) {
    const resolved = resolveOptions('MemoryStorage', schema, options)
    super(new MemoryBackend(resolved), resolved)
  }
}
