import { linkSignals } from '../../../core/abort.ts'
import { beginUpload } from '../begin-upload.ts'
import { cleanupSignal } from '../cleanup-signal.ts'
import type { RequestOptions, S3Engine, UploadedPart } from '../engine.ts'
import type { ObjectParameters } from '../object-parameters.ts'
import { forgetStrays } from '../stray-uploads.ts'

/** Copies the bytes from `start` to `end` of the source into a part of the upload. */
export type CopyPart = (
  uploadId: string,
  partNumber: number,
  start: number,
  end: number,
  signal: AbortSignal,
) => Promise<UploadedPart>

export interface CopyInPartsOptions extends RequestOptions {
  /** All that is stored with the copy: by itself it takes nothing over from its source. */
  readonly parameters: ObjectParameters
  readonly partSize: number
}

/** S3's limit for one CopyObject. */
const maxCopySize = 5 * 1024 ** 3
/** Copies within the service move no bytes over the network: large parts, few requests. */
const copyPart = 256 * 1024 ** 2
const smallestPart = 5 * 1024 ** 2
/** Parts that are copied at a time. */
const inFlight = 8

/**
 * Copies an object that is too large for CopyObject
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html).
 */
export async function copyInParts(
  engine: S3Engine,
  copyPart: CopyPart,
  to: string,
  size: number,
  options: CopyInPartsOptions,
): Promise<void> {
  const { signal, access, parameters } = options
  const own = { parameters, signal, access, ofCopies: true }
  const { uploadId, strayFrom } = await beginUpload(engine, to, own)
  try {
    const parts = await copyParts(copyPart, uploadId, size, options)
    await engine.completeUpload(to, uploadId, parts, { condition: undefined, signal, access })
  } catch (error) {
    const cleanup = { signal: cleanupSignal(), access }
    await engine.abortUpload(to, uploadId, cleanup).catch(() => undefined)
    throw error
  } finally {
    if (strayFrom !== undefined)
      await forgetStrays(engine, to, { from: strayFrom, but: uploadId, access })
  }
}

/** Whether an object is too large for CopyObject, as far as that can be found out. */
export async function isTooLargeToCopy(
  engine: S3Engine,
  key: string,
  options: RequestOptions,
): Promise<boolean> {
  const head = await engine.headObject(key, options).catch(() => undefined)
  return head !== undefined && head.size > maxCopySize
}

/**
 * @param maxParts that the service takes in an upload
 * @param threshold largest object that is copied with one request, where somebody set it
 */
export function copyPartSize(
  size: number,
  maxParts: number,
  threshold: number | undefined,
): number {
  const usual =
    threshold === undefined ? copyPart : Math.min(copyPart, Math.max(threshold, smallestPart))
  return Math.max(usual, Math.ceil(size / maxParts))
}

async function copyParts(
  copyPart: CopyPart,
  uploadId: string,
  size: number,
  { partSize, signal }: CopyInPartsOptions,
): Promise<UploadedPart[]> {
  const count = Math.ceil(size / partSize)
  const parts: UploadedPart[] = []
  const cancel = new AbortController()
  const any = linkSignals(cancel.signal, signal)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      const end = Math.min(size, (index + 1) * partSize)
      parts[index] = await copyPart(uploadId, index + 1, index * partSize, end, any.signal)
    }
  }
  const workers = Array.from({ length: Math.min(inFlight, count) }, async () => {
    try {
      await worker()
    } catch (error) {
      cancel.abort(error)
      throw error
    }
  })
  // All of them, so that no request is under way when the upload is aborted.
  const results = await Promise.allSettled(workers)
  any.release()
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) throw cancel.signal.aborted ? cancel.signal.reason : failed.reason
  return parts
}
