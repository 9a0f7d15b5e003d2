import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { content } from './workload.mjs'

/** Ours, through the public API: a name is never taken twice, nobody sees half a file. */
export async function stowageFiles(folder) {
  const dist = process.env.STOWAGE_DIST ?? new URL('../../dist', import.meta.url).href
  const { FileSystemStorage } = await import(`${dist}/index.js`)
  const storage = new FileSystemStorage({ location: folder })
  return {
    async save(name) {
      await storage.save(name, content)
      return content.byteLength
    },
    async read(name) {
      const file = await storage.open(name)
      const bytes = await file.read()
      await file.close()
      return bytes.byteLength
    },
  }
}

/**
 * What somebody writes by hand who wants the same: a temporary file of its own, which gets the name
 * by a link that fails where the name is taken; a reader that knows size and time of what it reads.
 */
export async function bareFiles(folder) {
  return {
    async save(name) {
      const path = `${folder}/${name}`
      await mkdir(dirname(path), { recursive: true })
      const temporary = `${dirname(path)}/.${randomUUID()}`
      const file = await open(temporary, 'wx')
      try {
        await file.writeFile(content)
        await file.close()
        await link(temporary, path)
      } finally {
        await unlink(temporary)
      }
      return content.byteLength
    },
    async read(name) {
      const file = await open(`${folder}/${name}`)
      try {
        const { size } = await file.stat()
        const { bytesRead } = await file.read(new Uint8Array(size), 0, size, 0)
        return bytesRead
      } finally {
        await file.close()
      }
    },
  }
}

/** The least: a file that is written in place and read whole. */
export async function simplestFiles(folder) {
  return {
    async save(name) {
      const path = `${folder}/${name}`
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
      return content.byteLength
    },
    read: async name => (await readFile(`${folder}/${name}`)).byteLength,
  }
}
