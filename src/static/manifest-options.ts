import type { OptionSchema } from '../core/options.ts'
import { defaultManifestName, type StaticManifestOptions } from './static-manifest.ts'
import { isStorageLike } from './storage-like.ts'

/** Options of storages with a manifest. */
export const manifestSchema: OptionSchema<StaticManifestOptions> = {
  manifestName: {
    type: 'string',
    default: defaultManifestName,
    check: (name: string) => (name === '' ? 'must not be empty' : undefined),
    meaning: 'Name of the manifest.',
  },
  strict: {
    type: 'boolean',
    default: true,
    meaning: 'Whether a name that the manifest lacks is an error, instead of the plain URL.',
  },
  keepGenerations: {
    type: 'integer',
    check: (count: number) => (count < 1 ? 'must be at least 1 (the current one)' : undefined),
    meaning: 'Generations whose files are kept, the current one included; default: all.',
  },
  manifestStorage: {
    type: 'object',
    check: (value: object) => (isStorageLike(value) ? undefined : 'must be a Storage'),
    meaning: 'Where the manifest is, if not among the files.',
  },
  refresh: {
    type: 'integer',
    or: [null],
    default: 10,
    check: (seconds: number) => (seconds < 0 ? 'must be at least 0' : undefined),
    meaning: 'Seconds after which a loaded manifest is asked for again; null: never.',
  },
}
