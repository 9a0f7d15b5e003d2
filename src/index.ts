export {
  FileSystemStorage,
  type FileSystemStorageOptions,
} from './backends/filesystem/filesystem-storage.ts'
export { MemoryStorage, type MemoryStorageOptions } from './backends/memory/memory-storage.ts'
export { configure } from './config/active-configuration.ts'
export {
  type Configuration,
  defineConfig,
  type StaticFilesConfiguration,
  type StaticFilesDir,
  type StorageEntry,
} from './config/configuration.ts'
export { loadConfig } from './config/configured-storage.ts'
export type { HistoricalSettings } from './config/historical-names.ts'
export { defaultStorage, type Storages, staticfilesStorage, storages } from './config/registry.ts'
export type {
  Backend,
  BackendUrlOptions,
  Capabilities,
  CopyOptions,
  FileProperties,
  ListOptions as BackendListOptions,
  ListPage,
  OperationOptions,
  ReadBody,
  ReadOptions,
  ReadResult,
  WriteCondition,
  WriteOptions,
} from './core/backend.ts'
export type { Bytes } from './core/bytes.ts'
export type { Content, ContentSource } from './core/content.ts'
export { ContentFile } from './core/content-file.ts'
export {
  ClosedFileError,
  type ErrorContext,
  FileChangedError,
  FileExistsError,
  FileNotFoundError,
  FileTooLargeError,
  ImproperlyConfigured,
  IntegrityError,
  InvalidImageError,
  isStorageError,
  NoFileError,
  PermissionDeniedError,
  PreconditionFailedError,
  StorageError,
  SuspiciousFileOperation,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from './core/errors.ts'
export type { FileStat } from './core/file-stat.ts'
export type { Folder, Name } from './core/names.ts'
export type {
  BinaryReader,
  BinaryWriter,
  OpenFiles,
  OpenMode,
  SeekOrigin,
  TextReader,
  TextWriter,
} from './core/open-file.ts'
export {
  type CleanupOptions,
  type ListOptions,
  type OpenOptions,
  type SaveOptions,
  Storage,
  type StorageOptions,
  type UrlOptions,
} from './core/storage.ts'
export { StoredFile } from './core/stored-file.ts'
export { type Log, type LogEntry, logging } from './layers/logging.ts'
