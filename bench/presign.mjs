// CPU time of URLs: presigned ones beside the AWS SDK's getSignedUrl and the bare hashes, CloudFront's
// beside the bare signature, and plain ones of a custom domain. No requests, one process.
// Usage: node bench/presign.mjs [--rounds 7] [--calls 20000] [--json]

import { constants, createPrivateKey, generateKeyPairSync, hash, sign } from 'node:crypto'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { machine, numberOption, print, table } from './measure.mjs'

const rounds = numberOption('rounds', 7)
const calls = numberOption('calls', 20_000)
const dist = process.env.STOWAGE_DIST ?? new URL('../dist', import.meta.url).href
const { CloudFrontSigner, S3Storage } = await import(`${dist}/s3.js`)

const keys = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const own = { ...keys, bucketName: 'media', regionName: 'eu-central-1' }
const names = Array.from({ length: 1000 }, (_, i) => `users/${i}/portrait-${i * 7919}.jpg`)

const storage = new S3Storage(own)
const domain = new S3Storage({ ...own, customDomain: 'cdn.example.com' })
const client = new S3Client({
  region: own.regionName,
  credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
})
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const pem = rsa.export({ type: 'pkcs8', format: 'pem' })
const signer = new CloudFrontSigner({ keyId: 'K2JCJMDEHXQW5F', key: pem })
const signed = new S3Storage({
  ...own,
  customDomain: 'cdn.example.com',
  cloudfrontKeyId: 'K2JCJMDEHXQW5F',
  cloudfrontKey: pem,
})
const key = createPrivateKey(pem)
const padded = { key, padding: constants.RSA_PKCS1_PADDING }
const policy = Buffer.from(
  '{"Statement":[{"Resource":"https://cdn.example.com/users/1/portrait-7919.jpg","Condition":{"DateLessThan":{"AWS:EpochTime":1767225600}}}]}',
)
const expiresAt = new Date(Date.now() + 3_600_000)

/** What a signature cannot do without: of the canonical request, and two of an HMAC with its key. */
const canonical = `GET\n/users/1/portrait-7919.jpg\n${'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host'}\nhost:media.s3.eu-central-1.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD`
const inner = Buffer.alloc(64 + 141, 1)
const outer = Buffer.alloc(64 + 32, 2)

function hashes() {
  hash('sha256', canonical, 'hex')
  hash('sha256', inner, 'binary')
  return hash('sha256', outer, 'hex')
}

const subjects = {
  'three hashes': { calls, call: () => hashes() },
  'S3Storage.url': { calls, call: name => storage.url(name) },
  getSignedUrl: {
    calls: calls / 40,
    call: Key =>
      getSignedUrl(client, new GetObjectCommand({ Bucket: 'media', Key }), { expiresIn: 3600 }),
  },
  'RSA-SHA1 alone': { calls: calls / 40, call: () => sign('sha1', policy, padded) },
  'CloudFrontSigner.signUrl': {
    calls: calls / 40,
    call: name => signer.signUrl(`https://cdn.example.com/${name}`, { expiresAt }),
  },
  'S3Storage.url, CloudFront': { calls: calls / 40, call: name => signed.url(name) },
  'S3Storage.url, custom domain': { calls: calls * 5, call: name => domain.url(name) },
}

async function measure({ calls: count, call }) {
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) await call(names[i % names.length])
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

const best = {}
for (let round = -1; round < rounds; round++) {
  for (const [name, subject] of Object.entries(subjects)) {
    const micros = await measure(subject)
    // The first round warms up.
    if (round >= 0) best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, micros)
  }
}

const ratios = {
  'getSignedUrl / S3Storage.url (at least 100)': best.getSignedUrl / best['S3Storage.url'],
  'S3Storage.url / three hashes (at most 2)': best['S3Storage.url'] / best['three hashes'],
  'CloudFrontSigner.signUrl / RSA alone (at most 1.2)':
    best['CloudFrontSigner.signUrl'] / best['RSA-SHA1 alone'],
  'custom domain, URLs a second (at least 1,000,000)': 1e6 / best['S3Storage.url, custom domain'],
}
const report = { date: new Date().toISOString(), machine: machine(), micros: best, ratios }
print(report, () =>
  [
    table([['CPU per call', 'µs'], ...rowsOf(best)]),
    table([['figure', ''], ...rowsOf(ratios)]),
  ].join('\n\n'),
)

function rowsOf(values) {
  return Object.entries(values).map(([name, value]) => [name, value.toFixed(2)])
}
