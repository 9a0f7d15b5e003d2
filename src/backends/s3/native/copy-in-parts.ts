import type { OperationOptions } from '../../../core/backend.ts'
import type { ObjectHead, S3Engine, UploadedPart } from '../engine.ts'
import type { ObjectParameters } from '../object-parameters.ts'
import { withoutUndefined } from '../without-undefined.ts'

/** Copies the bytes from `start` to `end` of the source into a part of the upload. */
export type CopyPart = (
  uploadId: string,
  partNumber: number,
  start: number,
  end: number,
  signal: AbortSignal,
) => Promise<UploadedPart>

export interface CopyInPartsOptions extends OperationOptions {
  /** What the copy does not take over from its source. */
  readonly parameters: ObjectParameters
  readonly partSize: number
}

/** Parts that are copied at a time. */
const inFlight = 8
/** How long the clean-up of a failed copy may take, in milliseconds. */
const cleanupTime = 30_000

/**
 * Copies an object that is too large for CopyObject
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html). Type, headers
 * and metadata are those of the source; tags are not taken over.
 */
export async function copyInParts(
  engine: S3Engine,
  copyPart: CopyPart,
  to: string,
  head: ObjectHead,
  options: CopyInPartsOptions,
): Promise<void> {
  const { signal } = options
  const parameters = { ...propertiesOf(head), ...withoutUndefined(options.parameters) }
  const { uploadId } = await engine.createUpload(to, { parameters, signal })
  try {
    const parts = await copyParts(copyPart, uploadId, head.size, options)
    await engine.completeUpload(to, uploadId, parts, { condition: undefined, signal })
  } catch (error) {
    const cleanup = { signal: AbortSignal.timeout(cleanupTime) }
    await engine.abortUpload(to, uploadId, cleanup).catch(() => undefined)
    throw error
  }
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
  const any = signal === undefined ? cancel.signal : AbortSignal.any([cancel.signal, signal])
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      const end = Math.min(size, (index + 1) * partSize)
      parts[index] = await copyPart(uploadId, index + 1, index * partSize, end, any)
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
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) throw cancel.signal.aborted ? cancel.signal.reason : failed.reason
  return parts
}

function propertiesOf(head: ObjectHead): ObjectParameters {
  return {
    ContentType: head.contentType,
    ContentEncoding: head.contentEncoding,
    CacheControl: head.cacheControl,
    ContentDisposition: head.contentDisposition,
    Metadata: head.metadata,
  }
}
