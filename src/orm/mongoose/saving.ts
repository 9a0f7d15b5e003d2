import { type ClientSession, type Document, Model, Error as MongooseErrors } from 'mongoose'
import { PreconditionFailedError } from '../../core/errors.ts'
import { FieldFile, isPending } from '../../fields/field-file.ts'
import { type Names, writeRow } from '../../fields/row-writes.ts'
import type { FileFields } from '../../fields/rows.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import { currentNames, openScope, sessionOf } from './document.ts'

export interface SaveOptions {
  readonly session?: ClientSession | null
}

export async function saveWithFiles(
  document: Document,
  fields: FileFields,
  options: SaveOptions,
): Promise<unknown> {
  const save: (options: object) => Promise<unknown> = Model.prototype.save.bind(document)
  for (const path of document.isNew ? Object.keys(fields) : [])
    if (document.get(path, null, { getters: false }) === undefined) document.set(path, '')
  const files = Object.keys(fields).flatMap(path => {
    const file: unknown = document.get(path)
    const touched = document.isNew || document.isModified(path)
    return file instanceof FieldFile && (touched || file[isPending]) ? [[path, file] as const] : []
  })
  if (files.length === 0) return await save(options)
  const session = options.session ?? sessionOf(document)
  const paths = files.map(([path]) => path)
  return await writeRow(openScope(session), files, async () => {
    if (!document.isNew)
      return [document, await swap(document, paths, session, () => save(options))]
    await save(options)
    return [document, {}]
  })
}

/** Resolves to what the document had. */
async function swap(
  document: Document,
  paths: readonly string[],
  session: ClientSession | null | undefined,
  write: () => Promise<unknown>,
): Promise<Names> {
  const where = document.$where
  try {
    return await untilMet(async () => {
      const names = await currentNames(document, paths, session)
      if (names === null) throw vanished(document)
      document.$where = { ...where, ...names }
      try {
        await write()
        return names
      } catch (error) {
        // Another writer came in between.
        if (!(error instanceof MongooseErrors.DocumentNotFoundError)) throw error
        return unmet
      }
    })
  } finally {
    Object.assign(document, { $where: where })
  }
}

function vanished(document: Document): PreconditionFailedError {
  return new PreconditionFailedError(
    `The document ${String(document._id)} was deleted by others in the meantime.`,
  )
}
