import type { ProxyFault } from './proxy-fault.ts'

/** What the proxy answers itself, as it goes on the wire. */
export function ownAnswer(fault: ProxyFault & { kind: 'answer' | 'garbage' }): Buffer {
  if (fault.kind === 'garbage')
    return Buffer.from('\u0016\u0003\u0001 no HTTP \r\n\r\n\u0000\u0001')
  const { status, retryAfter, early, body = 'xml' } = fault
  const content = Buffer.from(contents[body](fault))
  const lines = [
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}`,
    `content-length: ${content.byteLength}`,
    ...(content.byteLength === 0 ? [] : [`content-type: ${types[body]}`]),
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
    ...(early === true ? ['connection: close'] : []),
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content])
}

type Answer = ProxyFault & { kind: 'answer' }

const contents: Readonly<Record<'xml' | 'html' | 'empty' | 'garbage', (fault: Answer) => string>> =
  {
    xml: ({ status, code = status === 503 || status === 429 ? 'SlowDown' : 'InternalError' }) =>
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>The fault proxy says so.</Message><RequestId>FAULT</RequestId></Error>`,
    html: ({ status }) =>
      `<!DOCTYPE html><html><head><title>${status}</title></head><body><h1>${status}<br>load balancer</h1></body></html>`,
    empty: () => '',
    garbage: () => '<Error><Code>\u0001\ufffd<<<',
  }

const types: Readonly<Record<string, string>> = {
  xml: 'application/xml',
  html: 'text/html',
  garbage: 'application/xml',
}

const reasons: Readonly<Record<number, string | undefined>> = {
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Slow Down',
  504: 'Gateway Timeout',
}
