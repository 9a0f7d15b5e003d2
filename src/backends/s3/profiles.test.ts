import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../core/options.ts'
import {
  type ProviderName,
  type ProviderProfile,
  profileOf,
  profileOption,
  profiles,
  regionOfEndpoint,
} from './profiles.ts'

const endpoints: readonly [endpointUrl: string, provider: ProviderName, region?: string][] = [
  ['https://s3.amazonaws.com', 'aws'],
  ['https://s3.eu-central-1.amazonaws.com', 'aws', 'eu-central-1'],
  ['https://s3-us-west-2.amazonaws.com', 'aws', 'us-west-2'],
  ['https://s3.dualstack.ap-southeast-2.amazonaws.com/', 'aws', 'ap-southeast-2'],
  ['https://s3-fips.us-gov-west-1.amazonaws.com', 'aws', 'us-gov-west-1'],
  ['https://s3.cn-north-1.amazonaws.com.cn', 'aws', 'cn-north-1'],
  ['https://vpce-1a2b-5e6f.s3.us-east-1.vpce.amazonaws.com', 'aws', 'us-east-1'],
  ['https://0123456789abcdef.r2.cloudflarestorage.com', 'r2'],
  ['https://0123456789abcdef.eu.r2.cloudflarestorage.com', 'r2'],
  ['https://play.min.io:9000', 'minio'],
  ['https://fra1.digitaloceanspaces.com', 'spaces', 'fra1'],
  ['https://media.nyc3.digitaloceanspaces.com', 'spaces', 'nyc3'],
  ['https://s3.eu-central-003.backblazeb2.com', 'b2', 'eu-central-003'],
  ['https://s3.wasabisys.com', 'wasabi'],
  ['https://s3.eu-central-2.wasabisys.com', 'wasabi', 'eu-central-2'],
  ['https://fly.storage.tigris.dev', 'tigris'],
  ['https://t3.storage.dev', 'tigris'],
  ['https://s3.nl-ams.scw.cloud', 'scaleway', 'nl-ams'],
  ['https://abcdefgh.supabase.co/storage/v1/s3', 'supabase'],
  ['https://abcdefgh.storage.supabase.co/storage/v1/s3', 'supabase'],
  ['https://storage.googleapis.com', 'gcs'],
  ['http://127.0.0.1:9000', 'generic'],
  ['https://ceph.example.com', 'generic'],
]

describe('profileOf', () => {
  it.each(endpoints)('knows %s as %s', (endpointUrl, provider) => {
    expect(profileOf({ endpointUrl }).name).toBe(provider)
  })

  it('takes the service without an endpoint for AWS', () => {
    expect(profileOf({}).name).toBe('aws')
    expect(profileOf({ profile: null }).name).toBe('aws')
  })

  it('prefers the name that is given to the host', () => {
    expect(profileOf({ profile: 'ceph', endpointUrl: 'https://s3.amazonaws.com' }).name).toBe(
      'ceph',
    )
  })

  it.each([
    'https://amazonaws.com.example.com',
    'https://notamazonaws.com',
    'https://evil-digitaloceanspaces.com',
    'https://example.com/s3.amazonaws.com',
    'not a url',
    '',
  ])('knows nothing of %j', endpointUrl => {
    expect(profileOf({ endpointUrl }).name).toBe('generic')
    expect(regionOfEndpoint(endpointUrl)).toBeUndefined()
  })
})

it.each(endpoints)('regionOfEndpoint: %s, of %s, names region %s', (endpointUrl, _, region) => {
  expect(regionOfEndpoint(endpointUrl)).toBe(region)
})

it('profileOption refuses a service that it does not know, naming those it does', () => {
  const schema = { profile: profileOption }
  const source = { configured: undefined, environment: {} }
  expect(resolveOptions('S3Storage', schema, { profile: 'r2' }, source)).toEqual({ profile: 'r2' })
  expect(() => resolveOptions('S3Storage', schema, { profile: 'oracle' }, source)).toThrow(
    /must be one of aws, r2, minio, .*generic/,
  )
})

describe('every profile', () => {
  const all = Object.values(profiles)

  it.each(all)('$name stands under its own name', profile => {
    expect(profiles[profile.name]).toBe(profile)
  })

  it.each(all)('$name combines checksums that single parts can carry', ({ checksums }) => {
    expect(checksums.put).toEqual(expect.arrayContaining([...checksums.composite]))
    expect(checksums.put).toEqual(expect.arrayContaining([...checksums.fullObject]))
    // Only CRCs can be combined without the content.
    expect(checksums.fullObject.filter(name => !name.startsWith('crc'))).toEqual([])
    // CRC-64 has no composite form.
    expect(checksums.composite).not.toContain('crc64nvme')
  })

  it.each(all)('$name has limits that leave room for large files', ({ limits }) => {
    expect(limits.minPartSize).toBeLessThan(limits.maxPartSize)
    expect(limits.maxParts * limits.maxPartSize).toBeGreaterThanOrEqual(1024 ** 4)
  })

  it.each(all)('$name tells where each claim comes from', ({ sources }) => {
    for (const source of Object.values(sources))
      expect(source).toMatch(/^(?:assumed$|https:\/\/\S+$|measured on )/)
  })

  it('relies on nothing that was only assumed', () => {
    for (const { sources, conditions, checksums, postPolicies } of all) {
      if (sources.conditions === 'assumed')
        expect(Object.values(conditions)).not.toContain('honoured')
      if (sources.checksums === 'assumed') expect(checksums.put).toEqual([])
      if (sources.postPolicies === 'assumed') expect(postPolicies).toBe('unknown')
    }
  })
})

it('docs/providers.md shows every profile as it is (vitest -u writes it)', async () => {
  const all = Object.values(profiles)
  const text = [
    '# Providers',
    introduction,
    '## ACLs and conditions',
    'ACLs: *bucket* means that settings of the bucket decide. Conditions: *honoured* is relied upon; *ignored* writes are carried out all the same; *refused* conditions are never sent; *unknown* ones are sent and relied upon: `stowage doctor` finds a service that ignores them.',
    table(all, [
      ['ACLs', profile => profile.acls],
      ['`If-None-Match` on PUT', profile => profile.conditions.putIfNoneMatch],
      [
        '`If-Match` on PUT',
        ({ conditions }) => conditions.putIfMatch + (conditions.quotedIfMatch ? '' : ', bare tag'),
      ],
      ['`If-None-Match` on Complete', profile => profile.conditions.completeIfNoneMatch],
      ['`If-Match` on Complete', profile => profile.conditions.completeIfMatch],
      ['absent target of Copy', profile => copyCondition(profile)],
    ]),
    '## Checksums',
    'What may be sent with PutObject; how uploads in parts are summed up; whether GET and HEAD give it back; what DeleteObjects wants.',
    table(all, [
      ['PUT', ({ checksums }) => list(checksums.put)],
      ['parts, composite', ({ checksums }) => list(checksums.composite)],
      ['parts, full object', ({ checksums }) => list(checksums.fullObject)],
      ['returned', ({ checksums }) => yes(checksums.returned)],
      [
        'DeleteObjects',
        ({ operations }) => (operations.deleteDigest === 'md5' ? 'Content-MD5' : 'any checksum'),
      ],
    ]),
    '## Addresses, forms and limits',
    table(all, [
      ['bucket in', ({ addressing }) => addressing.styles.join(', ').replace('virtual', 'host')],
      ['region', ({ regions }) => `\`${regions.default}\`${regions.lenient ? ', or any' : ''}`],
      ['POST policies', profile => profile.postPolicies],
      ['parts', ({ limits }) => limits.maxParts.toLocaleString('en')],
      ['equal parts', ({ limits }) => yes(limits.equalParts)],
      ['part size', ({ limits }) => `${size(limits.minPartSize)} to ${size(limits.maxPartSize)}`],
      [
        'one PUT, one Copy',
        ({ limits }) => `${size(limits.maxPutSize)}, ${size(limits.maxCopySize)}`,
      ],
      ['key', ({ limits }) => `${limits.maxKeyBytes.toLocaleString('en')} bytes`],
    ]),
    '## Sources',
    'Statements of the services and reports of their users, not tests on the services themselves, but for Ceph. *assumed*: nothing was found, so what is safe is taken.',
    ...all.map(sourcesOf),
  ]
  await expect(`${text.join('\n\n')}\n`).toMatchFileSnapshot('../../../docs/providers.md')
})

const introduction = `What each service can is known before it is asked, so that nothing is found out by failing on a user's file. The profile follows from the host of \`endpointUrl\`; without an endpoint it is \`aws\`. MinIO and Ceph stand on hosts of their owners: say \`profile: 'minio'\` or \`profile: 'ceph'\`. An unknown host gets \`generic\`, which promises nothing. This page is made from \`src/backends/s3/profiles.ts\`.`

type Column = readonly [title: string, cell: (profile: ProviderProfile) => string]

function table(all: readonly ProviderProfile[], columns: readonly Column[]): string {
  const rows = all.map(profile => [
    `\`${profile.name}\``,
    ...columns.map(([, cell]) => cell(profile)),
  ])
  const head = ['profile', ...columns.map(([title]) => title)]
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function copyCondition({ conditions }: ProviderProfile): string {
  const { copyIfNoneMatch, copyHeader } = conditions
  return copyHeader === 'if-none-match' ? copyIfNoneMatch : `${copyIfNoneMatch}: \`${copyHeader}\``
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map(name => name.toUpperCase()).join(', ')
}

function yes(value: boolean): string {
  return value ? 'yes' : 'no'
}

function size(bytes: number): string {
  const gib = bytes / 1024 ** 3
  return gib >= 1 ? `${gib} GiB` : `${bytes / 1024 ** 2} MiB`
}

function sourcesOf({ title, name, sources }: ProviderProfile): string {
  const byUrl = new Map<string, string[]>()
  for (const [topic, source] of Object.entries(sources)) {
    byUrl.set(source, [...(byUrl.get(source) ?? []), topic])
  }
  const items = [...byUrl].map(
    ([source, topics]) => `- ${topics.map(word).join(', ')}: ${link(source)}`,
  )
  return [`### ${title} (\`${name}\`)`, '', ...items].join('\n')
}

function word(topic: string): string {
  return topic.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
}

function link(source: string): string {
  return source === 'assumed' ? '*assumed*' : source.replace(/https:\S+/g, '<$&>')
}
