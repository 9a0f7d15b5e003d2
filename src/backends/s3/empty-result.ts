import type { GetResult, ObjectHead } from './engine.ts'

/** What a range behind the end gives, which an empty object answers to every range. */
export function emptyResult(head: ObjectHead): GetResult {
  return { head, start: head.size, end: head.size, body: { bytes, chunks, cancel } }
}

async function bytes(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(0)
}

async function* chunks(): AsyncGenerator<never> {}

function cancel(): void {}
