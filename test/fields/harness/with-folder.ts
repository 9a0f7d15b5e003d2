import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Session } from './session.ts'

/** A session whose database stands in a folder of its own, which goes with it. */
export async function withFolder(open: (folder: string) => Promise<Session>): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-fields-'))
  const session = await open(folder)
  const close = async () => {
    await session.close()
    rmSync(folder, { recursive: true })
  }
  return { ...session, close }
}
