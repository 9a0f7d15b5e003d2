import { quoteName } from './quote.ts'

/** What is known of a writer when it is no longer there. */
export interface UnclosedWriter {
  readonly name: string
  readonly backend: string
  /**
   * The stack where the file was opened, written out: an `Error` would hold the objects on its
   * stack, and through them the writer.
   */
  readonly opened: string | undefined
  /** A cancelled writer needs no warning. */
  readonly signal: AbortSignal | undefined
  /** Gives up what is on its way. Must not hold the writer. */
  abandon(reason: Error): void
}

/**
 * Watches over writers that nobody holds any more although they were neither closed nor aborted:
 * their uploads are aborted, and a warning says where they were opened. No substitute for `close`:
 * when the collector comes, or whether, is not known.
 */
export class UnclosedWriters {
  readonly #registry = new FinalizationRegistry<UnclosedWriter>(collected)

  watch(writer: object, known: UnclosedWriter): void {
    this.#registry.register(writer, known, writer)
  }

  forget(writer: object): void {
    this.#registry.unregister(writer)
  }
}

function collected({ name, backend, opened, signal, abandon }: UnclosedWriter): void {
  const message = `The file ${quoteName(name)} of ${backend} was opened for writing and neither closed nor aborted; nothing of it is stored. ${placeOf(opened)}`
  abandon(new Error(message))
  if (signal?.aborted !== true) warn(message)
}

function placeOf(opened = ''): string {
  const frames = opened.split('\n').slice(1)
  return frames.length === 0 ? '' : `It was opened here:\n${frames.join('\n')}`
}

/** Of Node, as much as is needed here; the core runs elsewhere, too. */
interface Host {
  readonly process?: { emitWarning?(message: string, type: string): void }
}

function warn(message: string): void {
  const { process }: Host = globalThis as Host
  if (process?.emitWarning === undefined) console.warn(message)
  else process.emitWarning(message, 'UnclosedFileWarning')
}
