// What every engine does, so that the same bytes go over the wire.
export const bucket = 'bench'
export const region = 'us-east-1'
export const keys = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
export const objectBytes = 4096
export const content = new Uint8Array(objectBytes).fill(0x78)
export const contentType = 'application/octet-stream'
/** What `open` asks for: small files come whole with it. */
export const firstRange = { start: 0, end: 65_536 }
export const partBytes = 8 * 1024 * 1024
export const partsInFlight = 4

/** Names as an application has them: a folder, a number, a suffix. */
export function nameOf(number) {
  return `uploads/2026/file-${String(number % 100_000).padStart(6, '0')}.bin`
}

/** A stream of unknown length that costs nothing itself: the same chunk again and again. */
export async function* chunksOf(bytes) {
  const chunk = new Uint8Array(64 * 1024).fill(0x78)
  for (let left = bytes; left > 0; left -= chunk.byteLength)
    yield left < chunk.byteLength ? chunk.subarray(0, left) : chunk
}
