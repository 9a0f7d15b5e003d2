export type {
  MissingPolicy,
  StaticCompression,
  StaticFilesConfiguration,
  StaticFilesDir,
} from './config/configuration.ts'
export {
  type CollectOptions,
  type CollectProgress,
  type CollectResult,
  collectStatic,
} from './static/collect.ts'
export { type FindStaticOptions, findStatic } from './static/find-static.ts'
export {
  ManifestStaticFilesStorage,
  type ManifestStaticFilesStorageOptions,
  ManifestStaticStorage,
} from './static/manifest-static-storage.ts'
export { type RollbackOptions, type RollbackResult, rollbackStatic } from './static/rollback.ts'
export type { StaticManifestOptions } from './static/static-manifest.ts'
export { type StaticUrl, type StaticUrlOptions, staticUrl } from './static/static-url.ts'
export type { StaticWarning } from './static/warning.ts'
