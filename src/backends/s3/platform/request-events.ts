import { type Channel, channel } from 'node:diagnostics_channel'

/** One attempt of a request, as the channel `stowage:request` gives it. Holds no secret. */
export interface RequestEvent {
  /** Name in the S3 API, such as `PutObject`. */
  readonly operation: string
  readonly bucket: string
  /** `undefined` for operations on the bucket. */
  readonly key: string | undefined
  /** From 1. Corrections of clock, region and credentials keep the number. */
  readonly attempt: number
  /** `undefined` where no answer came. */
  readonly status: number | undefined
  readonly bytesSent: number
  /** Size of the answer's body, as it was announced; `undefined` where it was not. */
  readonly bytesReceived: number | undefined
  /** Milliseconds, until the answer's headers, or the document of an answer that has one. */
  readonly duration: number
  /** Why the attempt failed. */
  readonly error: unknown
}

/** https://nodejs.org/api/diagnostics_channel.html: costs a look at a boolean while nobody listens. */
export const requestEvents: Channel = channel('stowage:request')

export function publishRequest(event: RequestEvent): void {
  requestEvents.publish(event)
}
