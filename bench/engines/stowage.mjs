import { bucket, chunksOf, content, keys, nameOf, region } from './workload.mjs'

/** Ours, through the public API, as an application would call it. */
export async function openEngine(origin) {
  const dist = process.env.STOWAGE_DIST ?? new URL('../../dist', import.meta.url).href
  const { S3Storage } = await import(`${dist}/s3.js`)
  const storage = new S3Storage({
    ...keys,
    bucketName: bucket,
    regionName: region,
    endpointUrl: origin,
  })
  return {
    save: async number => void (await storage.save(nameOf(number), content)),
    async read(number) {
      const file = await storage.open(nameOf(number))
      const bytes = await file.read()
      await file.close()
      return bytes.byteLength
    },
    stat: async number => (await storage.stat(nameOf(number))).size,
    url: async number => (await storage.url(nameOf(number))).length,
    async list() {
      let count = 0
      for await (const stat of storage.list('', { recursive: true })) count += stat.size > 0 ? 1 : 0
      return count
    },
    upload: async bytes => void (await storage.save('stream.bin', chunksOf(bytes))),
  }
}
