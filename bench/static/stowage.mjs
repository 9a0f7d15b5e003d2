// Collects once. node stowage.mjs <source> <endpoint | folder>; prints what it did.
import { pathToFileURL } from 'node:url'

const dist = process.env.STOWAGE_DIST ?? new URL('../../dist', import.meta.url).pathname
const load = name => import(pathToFileURL(`${dist}/${name}.js`).href)
const { collectStatic, ManifestStaticFilesStorage } = await load('staticfiles')
const [, , source, target] = process.argv

const result = await collectStatic({ storage: await open(target), dirs: [source], missing: 'warn' })
const { copied, unchanged, postProcessed, warnings } = result
console.log(
  JSON.stringify({
    copied: copied.length,
    unchanged: unchanged.length,
    postProcessed: postProcessed.length,
    warnings: warnings.length,
    rss: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
)

async function open(place) {
  if (!place.startsWith('http'))
    return new ManifestStaticFilesStorage({ location: place, baseUrl: '/static/' })
  const { S3ManifestStaticStorage } = await load('s3')
  const keys = { accessKey: 'bench', secretKey: 'bench' }
  return new S3ManifestStaticStorage({ bucketName: 'static', endpointUrl: place, ...keys })
}
