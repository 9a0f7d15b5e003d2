// Packages of Node as `require` gives them. An `import` makes a view of all their members, which
// loads more of Node with each: its streams with `fs`, a fifth of what importing this package costs.

export const fs: typeof import('node:fs') = process.getBuiltinModule('node:fs')

export const promisify: typeof import('node:util').promisify =
  process.getBuiltinModule('node:util').promisify
