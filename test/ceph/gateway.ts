import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeEach } from 'vitest'

// A setup file of vitest.ceph.config.ts: some requests abort the gateway of Ceph 16.2, and one
// that is gone would fail a hundred tests that have nothing to do with it.
beforeEach(async () => {
  const endpoint = process.env['CEPH_ENDPOINT']
  if (endpoint === undefined || (await answers(endpoint))) return
  console.warn(`The gateway at ${endpoint} is gone; it is started again, without its data.`)
  restart()
})

async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/swift/healthcheck', endpoint))
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** With the environment of the first start: CEPH_DIR, RGW_PORT, MON_PORT. */
function restart(): void {
  const script = fileURLToPath(new URL('../../scripts/ceph/start.sh', import.meta.url))
  const { status, stderr } = spawnSync('bash', [script], { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`The gateway did not start again: ${stderr}`)
}
