import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readTextFile } from './files.ts'

describe('readTextFile', () => {
  let folder = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-files-'))
    await writeFile(join(folder, 'a'), 'é\n')
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  it('gives the text of a file', async () => {
    expect(await readTextFile(join(folder, 'a'))).toBe('é\n')
  })

  it('gives nothing for a missing file and for one below a file', async () => {
    expect(await readTextFile(join(folder, 'b'))).toBeUndefined()
    expect(await readTextFile(join(folder, 'a/b'))).toBeUndefined()
  })

  it('fails for what is there and cannot be read', async () => {
    await expect(readTextFile(folder)).rejects.toThrow('EISDIR')
  })
})
