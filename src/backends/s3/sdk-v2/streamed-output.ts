import type { SdkOutput } from '../sdk/sdk-client.ts'

/**
 * The output of GetObject as soon as its headers are there: the SDK itself gives it when all of the
 * body has come.
 */
export function streamedOutput(
  headers: Readonly<Record<string, string | undefined>>,
  body: unknown,
): SdkOutput {
  const { 'content-length': length, 'last-modified': modified = '' } = headers
  return {
    Body: body,
    CacheControl: headers['cache-control'],
    ContentDisposition: headers['content-disposition'],
    ContentEncoding: headers['content-encoding'],
    ContentLength: length === undefined ? undefined : Number(length),
    ContentRange: headers['content-range'],
    ContentType: headers['content-type'],
    ETag: headers['etag'],
    LastModified: new Date(modified),
    Metadata: metadataOf(headers),
  }
}

const metadataPrefix = 'x-amz-meta-'

function metadataOf(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const metadata = Object.entries(headers)
    .filter(([name]) => name.startsWith(metadataPrefix))
    .map(([name, value = '']) => [name.slice(metadataPrefix.length), value] as const)
  return Object.fromEntries(metadata)
}
