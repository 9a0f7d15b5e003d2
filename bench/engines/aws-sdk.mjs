import { randomUUID } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import {
  bucket,
  chunksOf,
  content,
  contentType,
  firstRange,
  keys,
  nameOf,
  partBytes,
  partsInFlight,
  region,
} from './workload.mjs'

/** `@aws-sdk/client-s3` v3 with its default settings, one client. */
export async function openEngine(origin) {
  const client = new S3Client({
    endpoint: origin,
    forcePathStyle: true,
    region,
    credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
  })
  const object = number => ({ Bucket: bucket, Key: nameOf(number) })
  const range = `bytes=${firstRange.start}-${firstRange.end - 1}`
  return {
    save: async number =>
      void (await client.send(
        new PutObjectCommand({ ...object(number), Body: content, ContentType: contentType }),
      )),
    async read(number) {
      const { Body } = await client.send(new GetObjectCommand({ ...object(number), Range: range }))
      return (await Body.transformToByteArray()).byteLength
    },
    stat: async number => (await client.send(new HeadObjectCommand(object(number)))).ContentLength,
    url: async number => (await presign(client, new GetObjectCommand(object(number)))).length,
    list: () => list(client),
    upload: bytes => upload(client, bytes),
  }
}

/**
 * A presigned URL by the SDK's own serializer and signer, whose result is taken instead of sent:
 * the way of `@aws-sdk/s3-request-presigner`, with the signer used again (its cheaper form).
 */
async function presign(client, command) {
  const signer = await client.config.signer({
    name: 'sigv4',
    signingName: 's3',
    signingRegion: region,
    properties: {},
  })
  const stack = client.middlewareStack.clone()
  const take = () => async args => {
    const { hostname, port, path, query } = await signer.presign(args.request, { expiresIn: 3600 })
    const url = `http://${hostname}:${port}${path}?${new URLSearchParams(query)}`
    return { response: {}, output: { $metadata: { requestId: randomUUID() }, url } }
  }
  stack.addRelativeTo(take, {
    relation: 'before',
    toMiddleware: 'awsAuthMiddleware',
    name: 'take',
    override: true,
  })
  const { output } = await command.resolveMiddleware(
    stack,
    client.config,
    {},
  )({ input: command.input })
  return output.url
}

async function list(client) {
  let count = 0
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Size } of page.Contents) count += Size > 0 ? 1 : 0
  }
  return count
}

/** Parts of a stream by hand, as `@aws-sdk/lib-storage` does with its buffers, four in flight. */
async function upload(client, bytes) {
  const target = { Bucket: bucket, Key: 'stream.bin' }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target))
  const parts = []
  const inFlight = new Set()
  for await (const Body of partsOf(bytes)) {
    const PartNumber = parts.push(undefined)
    const task = client
      .send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body }))
      .then(({ ETag }) => {
        parts[PartNumber - 1] = { PartNumber, ETag }
        inFlight.delete(task)
      })
    inFlight.add(task)
    if (inFlight.size >= partsInFlight) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  await client.send(
    new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: parts } }),
  )
}

async function* partsOf(bytes) {
  let chunks = []
  let length = 0
  for await (const chunk of chunksOf(bytes)) {
    chunks.push(chunk)
    length += chunk.byteLength
    if (length < partBytes) continue
    yield Buffer.concat(chunks)
    chunks = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(chunks)
}
