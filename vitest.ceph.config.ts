import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What needs a Ceph gateway: `scripts/ceph/start.sh` prints what CEPH_… has to hold. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/ceph/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    setupFiles: ['test/ceph/gateway.ts'],
    // One gateway serves all: files that run at once would measure each other.
    fileParallelism: false,
  },
})
