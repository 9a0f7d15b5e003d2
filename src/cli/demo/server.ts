import { S3Server } from '../../testing/s3-server/s3-server.ts'
import type { ServerReady } from './places.ts'

/** The embedded S3 server of the demo as a process: ends when its parent lets go of it. */
const [dataDir = '', bucket = ''] = process.argv.slice(2)

async function serve(): Promise<void> {
  const server = await S3Server.start({ dataDir, buckets: [bucket] })
  const { endpoint, accessKey, secretKey } = server
  const ready: ServerReady = { endpoint, accessKey, secretKey }
  process.once('disconnect', () => void server.close())
  process.send?.(ready)
}

void serve()
