import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What needs PostgreSQL, MariaDB and Redis: `scripts/databases/start.sh` prints what the environment has to hold. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/databases/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    globalSetup: ['test/databases/prisma-clients.ts'],
  },
})
