/**
 * The URL of a proxy as programs have it: without a scheme, as `curl`, botocore and the page of
 * django-storages write it (`proxy.example.com:3128`), it is one of HTTP.
 *
 * @returns `undefined` for what is no URL of a host
 */
export function proxyUrl(text: string): string | undefined {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  return /:\/\/[^/\s]/.test(url) && URL.canParse(url) ? url : undefined
}
