/** What the codes of the operating system mean to whoever configured a storage. */
export const networkReasons: Readonly<Record<string, string | undefined>> = {
  ECONNREFUSED: 'the connection was refused (is the service running, is "endpointUrl" right?)',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed while the request was sent',
  ENOTFOUND: 'the host name is unknown (is "endpointUrl" or "regionName" right?)',
  EAI_AGAIN: 'the host name could not be looked up',
}

/** Codes of OpenSSL and Node for certificates that are unknown, expired, or another host's. */
export function isDistrust(code: string): boolean {
  return /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)
}
