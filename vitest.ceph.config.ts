import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What needs a Ceph gateway: `scripts/ceph/start.sh` prints what CEPH_… has to hold. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/ceph/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    // 200 reads that are given up cost the gateway 200 reads of the whole object: half a minute where it is slow.
    testTimeout: 90_000,
    setupFiles: ['test/ceph/gateway.ts'],
    // One gateway serves all: files that run at once would measure each other.
    fileParallelism: false,
  },
})
