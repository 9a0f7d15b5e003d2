import type { Account, Accounts } from './accounts.ts'
import { invalidArgument, S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'
import { element, escapeXml, s3Document, type XmlNode } from './xml.ts'

const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
const GROUPS = 'http://acs.amazonaws.com/groups/'
const ALL_USERS = `${GROUPS}global/AllUsers`
const AUTHENTICATED = `${GROUPS}global/AuthenticatedUsers`
const LOG_DELIVERY = `${GROUPS}s3/LogDelivery`
const MAX_GRANTS = 100

const PERMISSIONS = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const

/** What a grant permits. */
export type Permission = (typeof PERMISSIONS)[number]

/** Who may do what. `grantee` is a canonical id, or the URI of a group. */
export interface Grant {
  readonly grantee: string
  readonly permission: Permission
}

/** An access control list; the owner is not part of it. */
export type Acl = readonly Grant[]

/** Those between whom an ACL is made: of an object and of its bucket, the same for a bucket's. */
export interface Owners {
  readonly owner: string
  readonly bucketOwner: string
}

/** Whether the ACL lets the account (undefined: anybody) do it. */
export function permits(acl: Acl, account: Account | undefined, permission: Permission): boolean {
  return acl.some(
    grant =>
      (grant.permission === permission || grant.permission === 'FULL_CONTROL') &&
      isGrantee(grant.grantee, account),
  )
}

/** Canned ACLs: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
export function cannedAcl(name: string, { owner, bucketOwner }: Owners): Acl | undefined {
  const full: Grant = { grantee: owner, permission: 'FULL_CONTROL' }
  const read = (grantee: string): Grant => ({ grantee, permission: 'READ' })
  switch (name) {
    case 'private':
    case 'aws-exec-read':
      return [full]
    case 'public-read':
      return [full, read(ALL_USERS)]
    case 'public-read-write':
      return [full, read(ALL_USERS), { grantee: ALL_USERS, permission: 'WRITE' }]
    case 'authenticated-read':
      return [full, read(AUTHENTICATED)]
    case 'bucket-owner-read':
      return owner === bucketOwner ? [full] : [full, read(bucketOwner)]
    case 'bucket-owner-full-control':
      return owner === bucketOwner
        ? [full]
        : [full, { grantee: bucketOwner, permission: 'FULL_CONTROL' }]
    case 'log-delivery-write':
      return [
        full,
        { grantee: LOG_DELIVERY, permission: 'WRITE' },
        { grantee: LOG_DELIVERY, permission: 'READ_ACP' },
      ]
    default:
      return undefined
  }
}

const GRANT_HEADERS: readonly (readonly [string, Permission])[] = [
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
]

/** Whether the request brings an ACL in its headers. */
export function hasAclHeaders(headers: HeaderMap): boolean {
  return headers.has('x-amz-acl') || GRANT_HEADERS.some(([name]) => headers.has(name))
}

/**
 * The ACL that the request's headers ask for; undefined if they ask for none.
 * @throws S3Error InvalidArgument for an unknown word or grantee, InvalidRequest for both kinds
 */
export function aclFromHeaders(
  headers: HeaderMap,
  owners: Owners,
  accounts: Accounts,
): Acl | undefined {
  const canned = headers.get('x-amz-acl')
  const grants = GRANT_HEADERS.flatMap(([name, permission]) =>
    parseGrantees(headers.get(name), name, accounts).map(grantee => ({ grantee, permission })),
  )
  if (canned === undefined) return grants.length > 0 ? grants : undefined
  if (grants.length > 0) {
    throw new S3Error(
      'InvalidRequest',
      'Specifying both Canned ACLs and Header Grants is not allowed',
    )
  }
  const acl = cannedAcl(canned, owners)
  if (acl === undefined) throw invalidArgument('', 'x-amz-acl', canned)
  return acl
}

/** Reads an AccessControlPolicy document. */
export function aclFromXml(root: XmlNode | undefined, owner: string, accounts: Accounts): Acl {
  const list = root?.name === 'AccessControlPolicy' ? root.first('AccessControlList') : undefined
  if (root === undefined || list === undefined) throw new S3Error('MalformedACLError')
  const named = root.first('Owner')?.textOf('ID')
  if (named === undefined) throw new S3Error('MalformedACLError')
  if (named !== owner) throw new S3Error('AccessDenied')
  const grants = list.all('Grant').map(node => grantFromXml(node, accounts))
  if (grants.length > MAX_GRANTS) throw new S3Error('MalformedACLError')
  return grants
}

/** Writes an AccessControlPolicy document. */
export function aclDocument(owner: string, acl: Acl): string {
  const grants = acl.map(
    grant =>
      `<Grant>${granteeElement(grant.grantee)}${element('Permission', grant.permission)}</Grant>`,
  )
  return s3Document(
    'AccessControlPolicy',
    `${ownerElement(owner)}<AccessControlList>${grants.join('')}</AccessControlList>`,
  )
}

/** An owner as documents name it. */
export function ownerElement(id: string, name = 'Owner'): string {
  return `<${name}>${element('ID', id)}${element('DisplayName', id)}</${name}>`
}

function isGrantee(grantee: string, account: Account | undefined): boolean {
  if (grantee === ALL_USERS) return true
  if (account === undefined) return false
  return grantee === AUTHENTICATED || grantee === account.id
}

function parseGrantees(header: string | undefined, name: string, accounts: Accounts): string[] {
  if (header === undefined) return []
  return header.split(',').map(part => {
    const match = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/i.exec(part)
    if (match === null) throw invalidArgument('Argument format not recognized', name, header)
    return resolveGrantee(match[1]?.toLowerCase() ?? '', match[2] ?? '', accounts)
  })
}

function resolveGrantee(kind: string, value: string, accounts: Accounts): string {
  if (kind === 'uri') {
    if ([ALL_USERS, AUTHENTICATED, LOG_DELIVERY].includes(value)) return value
    throw invalidArgument('Invalid group uri', 'CanonicalUser/URI', value)
  }
  if (kind === 'id') {
    if (accounts.withId(value) !== undefined) return value
    throw invalidArgument('Invalid id', 'CanonicalUser/ID', value)
  }
  const account = accounts.withEmail(value)
  if (account !== undefined) return account.id
  throw new S3Error('UnresolvableGrantByEmailAddress')
}

function grantFromXml(node: XmlNode, accounts: Accounts): Grant {
  const grantee = node.first('Grantee')
  const permission = PERMISSIONS.find(known => known === node.textOf('Permission'))
  if (grantee === undefined || permission === undefined) throw new S3Error('MalformedACLError')
  return { grantee: granteeFromXml(grantee, accounts), permission }
}

function granteeFromXml(node: XmlNode, accounts: Accounts): string {
  const uri = node.textOf('URI')
  const id = node.textOf('ID')
  const email = node.textOf('EmailAddress')
  if (uri !== undefined) return resolveGrantee('uri', uri, accounts)
  if (id !== undefined) return resolveGrantee('id', id, accounts)
  if (email !== undefined) return resolveGrantee('email', email, accounts)
  throw new S3Error('MalformedACLError')
}

function granteeElement(grantee: string): string {
  const open = (type: string): string => `<Grantee xmlns:xsi="${XSI}" xsi:type="${type}">`
  if (grantee.startsWith(GROUPS))
    return `${open('Group')}<URI>${escapeXml(grantee)}</URI></Grantee>`
  return `${open('CanonicalUser')}${element('ID', grantee)}${element('DisplayName', grantee)}</Grantee>`
}
