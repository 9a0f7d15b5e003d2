/** Who holds keys, region and endpoint: options, or the user's own client. */
export type Holder = 'client' | 'options'

/** The options that a client stands in for, longer phrases first. */
const clientsWords: readonly (readonly [options: string, client: string])[] = [
  ['"accessKey", "secretKey" and "securityToken"', 'the keys of the "client"'],
  ['"accessKey" and "secretKey"', 'the keys of the "client"'],
  ['"accessKey"', 'the keys of the "client"'],
  ['"securityToken"', 'the session token of the "client"'],
  ['"endpointUrl" and "regionName"', 'endpoint and region of the "client"'],
  ['"endpointUrl" or "regionName"', 'endpoint or region of the "client"'],
  ['"regionName" (AWS_S3_REGION_NAME)', 'the region of the "client"'],
  ['"regionName"', 'the region of the "client"'],
  ['"endpointUrl"', 'the endpoint of the "client"'],
]

/**
 * What to do, in the words of whoever holds what it names: beside the option `client` the others
 * are refused, and advice to set them would lead to the next error.
 */
export function remedy(text: string, holder: Holder | undefined): string {
  if (holder !== 'client') return text
  return clientsWords.reduce((said, [option, own]) => said.replaceAll(option, own), text)
}
