import type { OptionSpec } from './options.ts'

/** Options that several storages have, under one meaning. */
export const fileOverwriteOption: OptionSpec = {
  type: 'boolean',
  default: false,
  meaning: 'Whether save replaces a file of the same name instead of choosing another name.',
}

export const maxNameLengthOption: OptionSpec = {
  type: 'integer',
  check: (value: number) => (value < 1 ? 'must be at least 1' : undefined),
  meaning: 'Longest name in code points where a call gives no maxLength.',
}

export const baseUrlOption: OptionSpec = {
  type: 'string',
  settings: ['MEDIA_URL'],
  or: [null],
  meaning: 'What url puts in front of names, such as /media/.',
}
