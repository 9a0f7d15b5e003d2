import { createRequire } from 'node:module'
import { bucket, content, contentType, firstRange, keys, nameOf, region } from './workload.mjs'

/**
 * OpenDAL's binding for Node (Rust). No dependency of this project: `npm install --prefix FOLDER
 * opendal`, and BENCH_PEERS=FOLDER (0.47.11 is the last one for the C library of Debian 12).
 */
export async function openEngine(origin) {
  const folder = process.env.BENCH_PEERS ?? '.'
  const { Operator } = createRequire(`${folder}/peers.cjs`)('opendal')
  const operator = new Operator('s3', {
    endpoint: origin,
    bucket,
    region,
    root: '/',
    access_key_id: keys.accessKey,
    secret_access_key: keys.secretKey,
    disable_config_load: 'true',
    disable_ec2_metadata: 'true',
  })
  const range = { offset: BigInt(firstRange.start), size: BigInt(firstRange.end) }
  return {
    save: async number =>
      void (await operator.write(nameOf(number), Buffer.from(content), { contentType })),
    read: async number => (await operator.read(nameOf(number), range)).byteLength,
    stat: async number => void (await operator.stat(nameOf(number))),
  }
}
