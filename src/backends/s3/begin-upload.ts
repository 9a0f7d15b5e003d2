import { whenAborted } from '../../core/abort.ts'
import { cleanupSignal } from './cleanup-signal.ts'
import type { RequestOptions, S3Engine, Upload, UploadOptions } from './engine.ts'
import { forgetStrays } from './stray-uploads.ts'

/**
 * Begins an upload that somebody ends. The answer is awaited when the signal aborts, too, for the
 * time of a clean-up: whoever does not know the id of an upload cannot abort it.
 */
export async function beginUpload(
  engine: S3Engine,
  key: string,
  options: UploadOptions,
): Promise<Upload> {
  const { signal, access } = options
  signal?.throwIfAborted()
  const lasting = outlasting(signal)
  try {
    const upload = await engine.createUpload(key, { ...options, signal: lasting.signal })
    if (signal?.aborted !== true) return upload
    await abandonUpload(engine, key, upload, access)
    throw signal.reason
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error
  } finally {
    lasting.release()
  }
}

/** Aborts an upload to which nothing was sent, as far as that can be done. */
export async function abandonUpload(
  engine: S3Engine,
  key: string,
  { uploadId, strayFrom }: Upload,
  access?: RequestOptions['access'],
): Promise<void> {
  await engine
    .abortUpload(key, uploadId, { signal: cleanupSignal(), access })
    .catch(() => undefined)
  if (strayFrom !== undefined)
    await forgetStrays(engine, key, { from: strayFrom, but: uploadId, access })
}

/** A signal that aborts when the time of a clean-up has passed since `signal` did. */
function outlasting(signal: AbortSignal | undefined): {
  readonly signal: AbortSignal | undefined
  release(): void
} {
  if (signal === undefined) return { signal, release() {} }
  const last = new AbortController()
  const release = whenAborted(signal, () => {
    const end = cleanupSignal()
    whenAborted(end, () => last.abort(end.reason))
  })
  return { signal: last.signal, release }
}
