import type { Backend } from '../../core/backend.ts'
import type { S3Probe } from './probe.ts'

/** Under this symbol a backend offers its probe; layers over it do not pass it on. */
const probeKey: unique symbol = Symbol.for('stowage.s3.probe')

interface Probed {
  [probeKey]?: (() => Promise<S3Probe>) | undefined
}

/** Lets {@link probeOf} find a probe of the backend. `open` is called when it is asked for. */
export function offerProbe(backend: Backend, open: () => Promise<S3Probe>): void {
  Object.defineProperty(backend, probeKey, { value: open, configurable: true })
}

/** The probe of an S3 backend; `undefined` for others. @throws what its settings lack */
export async function probeOf(backend: Backend & Probed): Promise<S3Probe | undefined> {
  return await backend[probeKey]?.()
}
