import { invalidArgument, S3Error } from './errors.ts'
import { decodeForm } from './uri.ts'
import { element, s3Document, type XmlNode } from './xml.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const MAX_TAGS = 10
const MAX_NAME = 128
const MAX_VALUE = 256

/** Tags by name. */
export type Tags = Readonly<Record<string, string>>

/** Reads `x-amz-tagging`, which is written as a query. */
export function tagsFromHeader(header: string | undefined, supported: boolean): Tags {
  if (header === undefined) return {}
  if (!supported) {
    throw new S3Error('NotImplemented', undefined, { elements: { Header: 'x-amz-tagging' } })
  }
  const pairs = header.split('&').filter(part => part !== '')
  return checkedTags(
    pairs.map(part => {
      const at = part.indexOf('=')
      if (at < 0) return [decodeForm(part), '']
      return [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))]
    }),
    () => invalidArgument('The header x-amz-tagging is not valid', 'x-amz-tagging', header),
  )
}

/** Reads a Tagging document. */
export function tagsFromXml(root: XmlNode | undefined): Tags {
  const set = root?.name === 'Tagging' ? root.first('TagSet') : undefined
  if (set === undefined) throw new S3Error('MalformedXML')
  const pairs = set.all('Tag').map((tag): [string, string] => {
    const name = tag.textOf('Key')
    const value = tag.textOf('Value')
    if (name === undefined || value === undefined) throw new S3Error('MalformedXML')
    return [name, value]
  })
  return checkedTags(pairs, () => new S3Error('InvalidTag'))
}

/** Writes a Tagging document. */
export function tagsDocument(tags: Tags): string {
  const list = Object.entries(tags).map(
    ([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`,
  )
  return s3Document('Tagging', `<TagSet>${list.join('')}</TagSet>`)
}

function checkedTags(pairs: [string, string][], failure: () => S3Error): Tags {
  if (pairs.length > MAX_TAGS) {
    throw new S3Error('InvalidTag', `Object tags cannot be greater than ${MAX_TAGS}`)
  }
  const tags: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const fits = name !== '' && [...name].length <= MAX_NAME && [...value].length <= MAX_VALUE
    if (!fits || Object.hasOwn(tags, name) || name.startsWith('aws:')) throw failure()
    Object.defineProperty(tags, name, { value, enumerable: true })
  }
  return tags
}
