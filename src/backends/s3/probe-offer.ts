import type { Backend } from '../../core/backend.ts'
import type { S3Engine } from './engine.ts'
import type { AccessParameters } from './object-parameters.ts'
import type { S3Probe } from './probe.ts'

/** The engine of a storage, for questions where no probe can ask in its place. */
export interface EngineSubject {
  readonly engine: S3Engine
  readonly bucketName: string
  /** In front of every name: of the option `location`, with its final `/`. */
  readonly prefix: string
  /** What writes of a name have to say besides. */
  accessOf(name: string): AccessParameters | undefined
}

/** Under these symbols a backend offers what the doctor asks; layers over it do not pass it on. */
const probeKey: unique symbol = Symbol.for('stowage.s3.probe')
const subjectKey: unique symbol = Symbol.for('stowage.s3.subject')

interface Probed {
  [probeKey]?: (() => Promise<S3Probe>) | undefined
  [subjectKey]?: (() => Promise<EngineSubject>) | undefined
}

/** Lets {@link probeOf} find a probe of the backend. `open` is called when it is asked for. */
export function offerProbe(backend: Backend, open: () => Promise<S3Probe>): void {
  Object.defineProperty(backend, probeKey, { value: open, configurable: true })
}

/** Lets {@link subjectOf} find the engine of a backend that has no probe. */
export function offerSubject(backend: Backend, open: () => Promise<EngineSubject>): void {
  Object.defineProperty(backend, subjectKey, { value: open, configurable: true })
}

/** The probe of an S3 backend; `undefined` for others. @throws what its settings lack */
export async function probeOf(backend: Backend & Probed): Promise<S3Probe | undefined> {
  return await backend[probeKey]?.()
}

/** The engine of an S3 backend without a probe; `undefined` for others. @throws as probeOf */
export async function subjectOf(backend: Backend & Probed): Promise<EngineSubject | undefined> {
  return await backend[subjectKey]?.()
}
