import { cleanupSignal } from './cleanup-signal.ts'
import type { OpenUpload, S3Engine, StrayOptions } from './engine.ts'

/** How far apart two readings of one clock may be, in milliseconds. */
const clockGrain = 2000

/** Aborts uploads of the key that were begun since then and got no parts: nobody knows of them. */
export async function abortStrayUploads(
  engine: S3Engine,
  key: string,
  options: StrayOptions,
  hasParts: (upload: OpenUpload) => Promise<boolean>,
): Promise<void> {
  // Services tell the time of an upload in seconds.
  const from = Math.floor(options.from / 1000) * 1000 - clockGrain
  for await (const upload of engine.listUploads(key, options)) {
    const candidate =
      upload.key === key && upload.uploadId !== options.but && upload.initiated >= from
    if (candidate && !(await hasParts(upload)))
      await engine.abortUpload(key, upload.uploadId, options)
  }
}

/** As {@link S3Engine.abortStrays}, as far as it can: an error on its way tells what went wrong. */
export async function forgetStrays(
  engine: S3Engine,
  key: string,
  strays: Omit<StrayOptions, 'signal'>,
): Promise<void> {
  const options = { ...strays, signal: cleanupSignal() }
  await engine.abortStrays(key, options).catch(() => undefined)
}
