import { ImproperlyConfigured } from '../../core/errors.ts'
import { suggestion } from '../../core/nearest.ts'
import {
  checkObjectParameters,
  misconfigured,
  type ObjectParameters,
  parameterNames,
  parameterOf,
} from './object-parameters.ts'
import type { S3StorageOptions } from './options.ts'

/** What a storage stores with each object, or with the one of a name. */
export type StorageParameters = ObjectParameters | ((name: string) => ObjectParameters)

type ParameterOptions = Pick<
  S3StorageOptions,
  'objectParameters' | 'headers' | 'defaultAcl' | 'encryption'
>

/**
 * The object parameters of a storage's options: `objectParameters`, else what `headers`,
 * `defaultAcl` and `encryption` say. Worked out once where they do not depend on the name.
 *
 * @throws ImproperlyConfigured for what S3 does not have, and for options that contradict each
 *   other, naming both; where a function gives the parameters, at the first use
 */
export function storageParameters(options: ParameterOptions): StorageParameters {
  const { objectParameters: given } = options
  const common = commonParameters(options)
  if (typeof given === 'function')
    return name => combined(common, checkObjectParameters(given(name)), options)
  const own = checkObjectParameters(given ?? {})
  const fromHeaders = headerParameters(options.headers)
  for (const name of Object.keys(own)) {
    const header = fromHeaders.get(name)
    if (header !== undefined && name !== 'Metadata')
      throw contradiction(`${name} in "objectParameters"`, `${JSON.stringify(header)} in "headers"`)
  }
  if (encryptsOtherwise(options, own.ServerSideEncryption))
    throw contradiction('ServerSideEncryption in "objectParameters"', encryptionOption)
  return combined(common, own, options)
}

const encryptionOption = '"encryption" (AWS_S3_ENCRYPTION)'

/** Whether something else is said than what the option `encryption` stands for. */
function encryptsOtherwise({ encryption }: ParameterOptions, said: string | undefined): boolean {
  return encryption === true && said !== undefined && said !== 'AES256'
}

/** What holds unless `objectParameters` say otherwise. */
function commonParameters(options: ParameterOptions): ObjectParameters {
  const { defaultAcl, encryption, headers = {} } = options
  const parameters: Record<string, unknown> = {}
  if (encryption === true) parameters['ServerSideEncryption'] = 'AES256'
  // The empty string is "none" in django-storages, too.
  if (defaultAcl) parameters['ACL'] = defaultAcl
  const metadata: Record<string, string> = {}
  for (const [parameter, header] of headerParameters(headers)) {
    if (parameter === 'ServerSideEncryption' && encryptsOtherwise(options, headers[header]))
      throw contradiction(`${JSON.stringify(header)} in "headers"`, encryptionOption)
    if (parameter !== 'Metadata') parameters[parameter] = headers[header]
  }
  for (const [header, value] of Object.entries(headers)) {
    const name = metadataName(header)
    if (name !== undefined) metadata[name] = value
  }
  if (Object.keys(metadata).length > 0) parameters['Metadata'] = metadata
  return checkObjectParameters(parameters)
}

/**
 * The headers by the parameters that they stand for.
 *
 * @throws ImproperlyConfigured for a header that S3 does not keep, or that stands twice
 */
function headerParameters(
  headers: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const header of Object.keys(headers)) {
    const parameter = metadataName(header) === undefined ? parameterOf(header) : 'Metadata'
    if (parameter === undefined) throw unknownHeader(header)
    const twin = found.get(parameter)
    if (twin !== undefined && parameter !== 'Metadata')
      throw badHeaders(`has ${JSON.stringify(twin)} and ${JSON.stringify(header)}, which are one`)
    found.set(parameter, header)
  }
  return found
}

function metadataName(header: string): string | undefined {
  return /^x-amz-meta-(.+)$/i.exec(header)?.[1]
}

function unknownHeader(header: string): ImproperlyConfigured {
  if (parameterNames.includes(header))
    return badHeaders(`has ${JSON.stringify(header)}, which belongs into "objectParameters"`)
  const known = ['Cache-Control', 'Content-Disposition', 'Content-Encoding', 'Content-Language']
  const near = suggestion(header, [...known, 'Content-Type', 'Expires', 'x-amz-storage-class'])
  return badHeaders(
    `has ${JSON.stringify(header)}, which S3 does not store; x-amz-meta-… it does.${near}`,
  )
}

function badHeaders(problem: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`Option "headers" (AWS_HEADERS) ${problem}.`.replace('?.', '?'), {
    setting: 'headers',
  })
}

/** @throws ImproperlyConfigured for what S3 refuses together */
function combined(
  common: ObjectParameters,
  own: ObjectParameters,
  options: ParameterOptions,
): ObjectParameters {
  const grant = grants.find(name => (own[name] ?? common[name]) !== undefined)
  const parameters: Record<string, unknown> = { ...common, ...own }
  if (common.Metadata !== undefined && own.Metadata !== undefined)
    parameters['Metadata'] = { ...common.Metadata, ...own.Metadata }
  checkTogether(parameters, grant, own, options)
  return parameters
}

const grants = ['GrantFullControl', 'GrantRead', 'GrantReadACP', 'GrantWriteACP'] as const

function checkTogether(
  parameters: ObjectParameters,
  grant: string | undefined,
  own: ObjectParameters,
  options: ParameterOptions,
): void {
  const { ACL, ServerSideEncryption: encryption } = parameters
  if (grant !== undefined && ACL !== undefined) {
    throw contradiction(
      `${grant} in "objectParameters"`,
      own.ACL === undefined ? '"defaultAcl" (AWS_DEFAULT_ACL)' : 'ACL',
    )
  }
  if (parameters.SSECustomerKey !== undefined && encryption !== undefined) {
    const other =
      own.ServerSideEncryption === undefined && options.encryption === true
        ? encryptionOption
        : 'ServerSideEncryption'
    throw contradiction('SSECustomerKey in "objectParameters"', other)
  }
  for (const name of ['SSEKMSKeyId', 'SSEKMSEncryptionContext'] as const) {
    if (parameters[name] !== undefined && !encryption?.startsWith('aws:kms'))
      throw misconfigured(`has ${name}, which needs ServerSideEncryption: "aws:kms"`)
  }
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = parameters
  if ((mode === undefined) !== (until === undefined)) {
    throw misconfigured(
      mode === undefined
        ? 'has ObjectLockRetainUntilDate, which needs ObjectLockMode'
        : 'has ObjectLockMode, which needs ObjectLockRetainUntilDate',
    )
  }
}

function contradiction(one: string, other: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${one} contradicts ${other}: set only one of them.`, {
    setting: 'objectParameters',
  })
}
