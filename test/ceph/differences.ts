/** A difference that is accepted: exactly these facts are said by one server alone. */
export interface Difference {
  readonly because: string
  readonly here: readonly string[]
  readonly ceph: readonly string[]
}

/** Facts that one of the two always tells and the other never: not compared, with the reason. */
export const EVERYWHERE: readonly { readonly fact: RegExp; readonly because: string }[] = [
  {
    fact: /^\w+ x-amz-server-side-encryption: AES256$/,
    because: 'S3 encrypts every object and says so since 2023; Ceph does neither',
  },
  {
    fact: /^\w+ (?:x-amz-checksum-(?:crc64nvme|type): |\w*Result\/(?:Contents\/|Part\/)?Checksum(?:CRC64NVME|Algorithm CRC64NVME|Type FULL_OBJECT))/,
    because:
      'S3 computes a CRC-64 for what comes without a checksum since 2024; Ceph 16 knows none',
  },
  {
    fact: /^(?:PUT|DELETE|POST) accept-ranges: bytes$/,
    because: 'Ceph sends it with every answer',
  },
  { fact: /^GET ListBucketResult\/Contents\/Type Normal$/, because: "an extension of Ceph's" },
]

/** Accepted differences by the name of the request. */
export const DIFFERENCES: ReadonlyMap<string, Difference> = new Map<string, Difference>([
  [
    'PUT /meta-large',
    {
      because: 'Ceph sets no limit of 2 KB to metadata',
      here: ['Error/Code MetadataTooLarge', 'status 400'],
      ceph: [
        'body ',
        'content-length: 0',
        'etag: "9dd4e461268c8034f5c8564e155c67a6"',
        'status 200',
      ],
    },
  ],
  [
    'PUT /class-wrong',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code InvalidStorageClass'],
      ceph: ['Error/Code InvalidArgument'],
    },
  ],
  [
    'GET of a version that is none',
    {
      because: 'Ceph looks for a version of that name',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: ['Error/Code NoSuchKey', 'status 404'],
    },
  ],
  [
    'GET with a Range of no bytes',
    {
      because:
        'RFC 9110, 14.1.2: a suffix of length 0 is not satisfiable; Ceph takes it for everything',
      here: ['Error/Code InvalidRange', 'status 416'],
      ceph: [
        'accept-ranges: bytes',
        'body hello',
        'cache-control: max-age=60',
        'content-disposition: attachment; filename="a b.txt"',
        'content-encoding: identity',
        'content-language: de',
        'content-length: 5',
        'content-range: bytes 0-4/5',
        'content-type: text/plain',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
        'status 206',
        'x-amz-meta-colour: blue',
      ],
    },
  ],
  [
    'GET with a Range backwards',
    {
      because: 'RFC 9110, 14.1.1: such a range is invalid and to be ignored',
      here: [
        'accept-ranges: bytes',
        'body hello',
        'cache-control: max-age=60',
        'content-disposition: attachment; filename="a b.txt"',
        'content-encoding: identity',
        'content-language: de',
        'content-length: 5',
        'content-type: text/plain',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
        'status 200',
        'x-amz-meta-colour: blue',
      ],
      ceph: ['Error/Code InvalidRange', 'status 416'],
    },
  ],
  [
    'GET with a Range of chapters',
    {
      because: 'Ceph names a range in an answer of status 200',
      here: [],
      ceph: ['content-range: bytes 0-4/5'],
    },
  ],
  [
    'GET with two Ranges',
    {
      because: 'S3 ignores several ranges; Ceph takes the first',
      here: ['body hello', 'content-length: 5', 'status 200'],
      ceph: ['body h', 'content-length: 1', 'content-range: bytes 0-0/5', 'status 206'],
    },
  ],
  [
    'GET with if-match: *',
    {
      because: 'RFC 9110, 13.1.1: * matches whatever is there; Ceph compares it as a tag',
      here: [
        'accept-ranges: bytes',
        'body hello',
        'cache-control: max-age=60',
        'content-disposition: attachment; filename="a b.txt"',
        'content-encoding: identity',
        'content-language: de',
        'content-length: 5',
        'content-type: text/plain',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
        'status 200',
        'x-amz-meta-colour: blue',
      ],
      ceph: ['Error/Code PreconditionFailed', 'status 412'],
    },
  ],
  [
    'HEAD with if-match: *',
    {
      because: 'RFC 9110, 13.1.1: * matches whatever is there; Ceph compares it as a tag',
      here: [
        'accept-ranges: bytes',
        'body ',
        'cache-control: max-age=60',
        'content-disposition: attachment; filename="a b.txt"',
        'content-encoding: identity',
        'content-language: de',
        'content-length: 5',
        'content-type: text/plain',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
        'status 200',
        'x-amz-meta-colour: blue',
      ],
      ceph: ['status 412'],
    },
  ],
  [
    'GET with if-none-match: "5d41402abc4b2a76b9719d911017c592"',
    {
      because: 'RFC 9110, 15.4.5: a 304 tells what a 200 would have; Ceph tells nothing',
      here: [
        'cache-control: max-age=60',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
      ],
      ceph: [],
    },
  ],
  [
    'HEAD with if-none-match: "5d41402abc4b2a76b9719d911017c592"',
    {
      because: 'RFC 9110, 15.4.5: a 304 tells what a 200 would have; Ceph tells nothing',
      here: [
        'cache-control: max-age=60',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
      ],
      ceph: [],
    },
  ],
  [
    'GET with if-modified-since: Fri, 01 Jan 2038 00:00:00 GMT',
    {
      because: 'RFC 9110, 15.4.5: a 304 tells what a 200 would have; Ceph tells nothing',
      here: [
        'cache-control: max-age=60',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
      ],
      ceph: [],
    },
  ],
  [
    'HEAD with if-modified-since: Fri, 01 Jan 2038 00:00:00 GMT',
    {
      because: 'RFC 9110, 15.4.5: a 304 tells what a 200 would have; Ceph tells nothing',
      here: [
        'cache-control: max-age=60',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'expires: Fri, 01 Jan 2038 00:00:00 GMT',
      ],
      ceph: [],
    },
  ],
  [
    'PUT with a key of 1,025 bytes',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code KeyTooLongError'],
      ceph: ['Error/Code InvalidObjectName'],
    },
  ],
  [
    'copy if the source differs',
    {
      because: 'Ceph ignores the conditions on the source of a copy',
      here: ['Error/Code PreconditionFailed', 'status 412'],
      ceph: ['CopyObjectResult/ETag 5d41402abc4b2a76b9719d911017c592', 'status 200'],
    },
  ],
  [
    'copy if the source matches another tag',
    {
      because: 'Ceph ignores the conditions on the source of a copy',
      here: ['Error/Code PreconditionFailed', 'status 412'],
      ceph: ['CopyObjectResult/ETag 5d41402abc4b2a76b9719d911017c592', 'status 200'],
    },
  ],
  [
    'copy if the source is older',
    {
      because: 'Ceph ignores the conditions on the source of a copy',
      here: ['Error/Code PreconditionFailed', 'status 412'],
      ceph: ['CopyObjectResult/ETag 5d41402abc4b2a76b9719d911017c592', 'status 200'],
    },
  ],
  [
    'copy a source whose + is not encoded',
    {
      because: 'on AWS an unencoded + is a blank (aws-cli issue 614)',
      here: ['Error/Code NoSuchKey', 'status 404'],
      ceph: ['CopyObjectResult/ETag a2b6f2a6066ed8700d83335fc50a2b8e', 'status 200'],
    },
  ],
  [
    'list encoded',
    {
      because: 'S3 leaves / and encodes more of the rest; both decode to the same keys',
      here: [
        'ListBucketResult/Contents/Key odd/%3Cangle%3E',
        'ListBucketResult/Contents/Key odd/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7.png',
        'ListBucketResult/Contents/Key odd/a%26b%3Dc',
        'ListBucketResult/Contents/Key odd/a//b',
        'ListBucketResult/Contents/Key odd/back%5Cslash',
        'ListBucketResult/Contents/Key odd/dots..inside',
        'ListBucketResult/Contents/Key odd/gr%C3%BC%C3%9Fe',
        'ListBucketResult/Contents/Key odd/hash%23hash',
        'ListBucketResult/Contents/Key odd/per%2520cent',
        'ListBucketResult/Contents/Key odd/per%25cent',
        'ListBucketResult/Contents/Key odd/plus%2Bplus',
        'ListBucketResult/Contents/Key odd/semi%3Bcolon%3Aat%40bang%21quote%27star*tilde%7E',
        'ListBucketResult/Contents/Key odd/trailing/',
        'ListBucketResult/Contents/Key odd/two++blanks',
        'ListBucketResult/Contents/Key odd/what%3F',
      ],
      ceph: [
        'ListBucketResult/Contents/Key odd%2F%3Cangle%3E',
        'ListBucketResult/Contents/Key odd%2F%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7.png',
        'ListBucketResult/Contents/Key odd%2Fa%26b%3Dc',
        'ListBucketResult/Contents/Key odd%2Fa%2F%2Fb',
        'ListBucketResult/Contents/Key odd%2Fback%5Cslash',
        'ListBucketResult/Contents/Key odd%2Fdots..inside',
        'ListBucketResult/Contents/Key odd%2Fgr%C3%BC%C3%9Fe',
        'ListBucketResult/Contents/Key odd%2Fhash%23hash',
        'ListBucketResult/Contents/Key odd%2Fper%2520cent',
        'ListBucketResult/Contents/Key odd%2Fper%25cent',
        'ListBucketResult/Contents/Key odd%2Fplus%2Bplus',
        "ListBucketResult/Contents/Key odd%2Fsemi%3Bcolon%3Aat%40bang!quote'star*tilde~",
        'ListBucketResult/Contents/Key odd%2Ftrailing%2F',
        'ListBucketResult/Contents/Key odd%2Ftwo%20%20blanks',
        'ListBucketResult/Contents/Key odd%2Fwhat%3F',
      ],
    },
  ],
  [
    'list with a negative number',
    {
      because: 'Ceph takes it for 0',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: [
        'ListBucketResult/IsTruncated false',
        'ListBucketResult/KeyCount 0',
        'ListBucketResult/MaxKeys 0',
        'status 200',
      ],
    },
  ],
  [
    'list with an unknown encoding',
    {
      because: 'Ceph ignores it',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: [
        'ListBucketResult/IsTruncated false',
        'ListBucketResult/KeyCount 0',
        'ListBucketResult/MaxKeys 1000',
        'ListBucketResult/Prefix nowhere/',
        'status 200',
      ],
    },
  ],
  [
    'list two keys, version 1',
    {
      because: 'S3 documents NextMarker for listings with a delimiter only',
      here: [],
      ceph: ['ListBucketResult/NextMarker class'],
    },
  ],
  [
    'list uploads',
    {
      because: 'S3 tells the next marker where the list is truncated only',
      here: [],
      ceph: ['ListMultipartUploadsResult/NextKeyMarker parts'],
    },
  ],
  [
    'complete',
    {
      because: 'Ceph answers with an empty entity tag; the HEAD that follows compares it',
      here: ['CompleteMultipartUploadResult/ETag ca7dab89384960feb28cac7d891ca01d-2'],
      ceph: [],
    },
  ],
  [
    'copy a range beyond the source',
    {
      because: 'another code and status for the same refusal',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: ['Error/Code InvalidRange', 'status 416'],
    },
  ],
  [
    'copy a range that is none',
    {
      because: 'S3 wants first and last byte; Ceph takes a suffix',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: ['CopyPartResult/ETag 4229d691b07b13341da53f17ab9f2416', 'status 200'],
    },
  ],
  [
    'complete in a wrong order',
    {
      because: 'Ceph checks sizes first',
      here: ['Error/Code InvalidPartOrder'],
      ceph: ['Error/Code EntityTooSmall'],
    },
  ],
  [
    'upload part 0',
    {
      because: 'Ceph has no limits for part numbers',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: [
        'body ',
        'content-length: 0',
        'etag: "9dd4e461268c8034f5c8564e155c67a6"',
        'status 200',
      ],
    },
  ],
  [
    'upload part 10,001',
    {
      because: 'Ceph has no limits for part numbers',
      here: ['Error/Code InvalidArgument', 'status 400'],
      ceph: [
        'body ',
        'content-length: 0',
        'etag: "9dd4e461268c8034f5c8564e155c67a6"',
        'status 200',
      ],
    },
  ],
  [
    'list parts of what was aborted',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code NoSuchUpload'],
      ceph: ['Error/Code NoSuchKey'],
    },
  ],
  [
    'delete 1,001 keys',
    { because: 'Ceph refuses with the status alone', here: ['Error/Code MalformedXML'], ceph: [] },
  ],
  [
    'delete without a hash of the body',
    {
      because: 'Ceph wants none',
      here: ['Error/Code InvalidRequest', 'status 400'],
      ceph: ['DeleteResult/Deleted/Key x', 'status 200'],
    },
  ],
  [
    'delete with no XML',
    { because: 'Ceph refuses with the status alone', here: ['Error/Code MalformedXML'], ceph: [] },
  ],
  [
    'delete with other XML',
    { because: 'Ceph refuses with the status alone', here: ['Error/Code MalformedXML'], ceph: [] },
  ],
  [
    'an x-amz header that is not signed',
    {
      because: 'Ceph takes it; S3 refuses what nobody signed',
      here: ['Error/Code AccessDenied', 'status 403'],
      ceph: [
        'body ',
        'content-length: 0',
        'etag: "9dd4e461268c8034f5c8564e155c67a6"',
        'status 200',
      ],
    },
  ],
  [
    'a content hash that is none',
    {
      because: 'Ceph compares it with the hash of the content',
      here: ['Error/Code InvalidArgument'],
      ceph: ['Error/Code XAmzContentSHA256Mismatch'],
    },
  ],
  [
    'presigned for the future',
    {
      because: 'Ceph checks the end of a URL only',
      here: ['Error/Code AccessDenied', 'status 403'],
      ceph: [
        'accept-ranges: bytes',
        'body hello',
        'content-length: 5',
        'content-type: binary/octet-stream',
        'etag: "5d41402abc4b2a76b9719d911017c592"',
        'status 200',
        'x-amz-meta-colour: green',
      ],
    },
  ],
  [
    'presigned for more than a week',
    {
      because: 'another code and status for the same refusal',
      here: ['Error/Code AuthorizationQueryParametersError', 'status 400'],
      ceph: ['Error/Code AccessDenied', 'status 403'],
    },
  ],
  [
    'presigned for negative time',
    {
      because: 'another code and status for the same refusal',
      here: ['Error/Code AuthorizationQueryParametersError', 'status 400'],
      ceph: ['Error/Code AccessDenied', 'status 403'],
    },
  ],
  [
    'anonymous GET with response-content-type',
    {
      because: "Ceph's answer is no HTTP",
      here: ['Error/Code InvalidRequest', 'status 400'],
      ceph: ['body ', 'status 0'],
    },
  ],
  [
    'PUT ?acl with a canned ACL',
    {
      because: 'Ceph names a type for an empty body',
      here: [],
      ceph: ['content-type: application/xml'],
    },
  ],
  [
    'PUT ?acl with no XML',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code MalformedACLError'],
      ceph: ['Error/Code InvalidArgument'],
    },
  ],
  [
    'PUT /sse-c',
    {
      because: 'S3: with a customer key, an entity tag is no MD5 of the content',
      here: ['etag: "b0d3e80ed1774988b5015d374b4edc81"'],
      ceph: ['etag: "5ebe2294ecd0e0f08eab7690d2a6ee69"'],
    },
  ],
  [
    'GET with the customer key',
    {
      because: 'S3: with a customer key, an entity tag is no MD5 of the content',
      here: ['etag: "b0d3e80ed1774988b5015d374b4edc81"'],
      ceph: ['etag: "5ebe2294ecd0e0f08eab7690d2a6ee69"'],
    },
  ],
  [
    'GET without the customer key',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code InvalidRequest'],
      ceph: ['Error/Code InvalidArgument'],
    },
  ],
  [
    'GET with another customer key',
    {
      because: 'S3 answers 403 to a key that is not the one',
      here: ['Error/Code AccessDenied', 'status 403'],
      ceph: ['Error/Code InvalidArgument', 'status 400'],
    },
  ],
  [
    'HEAD of the bucket',
    {
      because: 'S3 names a type for an empty body',
      here: ['content-type: application/xml'],
      ceph: [],
    },
  ],
  [
    'POST to a key without a sub-resource',
    {
      because: 'another code for the same refusal',
      here: ['Error/Code MethodNotAllowed', 'status 405'],
      ceph: ['Error/Code NotImplemented', 'status 501'],
    },
  ],
])
