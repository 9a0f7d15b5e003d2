import type { OperationOptions } from '../../core/backend.ts'
import { type BackendCall, Layer } from '../../layers/layer.ts'

/** A layer that notes which calls reached the backend, to show that something did no I/O. */
export class ObservedBackend extends Layer {
  readonly calls: BackendCall[] = []

  protected override around<T>(
    call: BackendCall,
    _options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    // Making a URL is no I/O by itself; that it stays none is for the backend's own tests.
    if (call.operation !== 'url') this.calls.push(call)
    return work()
  }
}
