import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type PostForm,
  type PostFormOptions,
  S3Storage,
  type S3StorageOptions,
} from '../../src/s3.ts'
import { Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})

afterAll(() => stage.close())

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  return new S3Storage({
    endpointUrl: stage.endpoint,
    accessKey,
    secretKey,
    bucketName: 'media',
    location: 'uploads',
    ...options,
  })
}

/** What a browser does with the form. */
async function submit(
  { url, fields }: PostForm,
  content: string,
  changes: Readonly<Record<string, string>> = {},
): Promise<number> {
  const data = new FormData()
  for (const [name, value] of Object.entries({ ...fields, ...changes })) data.set(name, value)
  data.set('file', new File([content], 'chosen.png'))
  return (await fetch(url, { method: 'POST', body: data })).status
}

describe('a form for an upload', () => {
  it('stores one file below the location, with what the storage stores with each', async () => {
    const storage = connect({
      objectParameters: {
        CacheControl: 'no-cache',
        Tagging: 'from=form&a%26b=%C3%A9',
        Metadata: { author: 'Zoë' },
      },
      defaultAcl: 'public-read',
    })
    const form = await storage.postForm('portrait.png')
    expect(await submit(form, 'pixels')).toBe(204)
    expect(await storage.stat('portrait.png')).toMatchObject({
      contentType: 'image/png',
      cacheControl: 'no-cache',
      metadata: { author: 'Zoë' },
    })
    const plain = await fetch(`${stage.endpoint}/media/uploads/portrait.png`)
    expect(await plain.text()).toBe('pixels')
    expect(plain.headers.get('x-amz-tagging-count')).toBe('2')
  })

  it('may take the name of the browser’s file', async () => {
    const storage = connect()
    // biome-ignore lint/suspicious/noTemplateCurlyInString: S3 wants it so
    const form = await storage.postForm('inbox/${filename}')
    expect(await submit(form, 'pixels')).toBe(204)
    expect(await storage.exists('inbox/chosen.png')).toBe(true)
  })

  it('may ask for a type, an answer and a size, and refuses what is otherwise', async () => {
    const storage = connect()
    const options: PostFormOptions = {
      fields: { 'Content-Type': 'image/webp', success_action_status: '201' },
      maxSize: 10,
    }
    const form = await storage.postForm('small.webp', options)
    expect(await submit(form, '0123456789')).toBe(201)
    expect((await storage.stat('small.webp')).contentType).toBe('image/webp')
    expect(await submit(form, '0123456789a')).toBe(400)
    expect(await submit(form, 'x', { 'Content-Type': 'text/html' })).toBe(403)
    expect(await submit(form, 'x', { key: 'uploads/other.webp' })).toBe(403)
  })

  it('may leave a field to the browser by a condition of its own', async () => {
    const storage = connect()
    const conditions = [['starts-with', '$Content-Type', 'image/']] as const
    const form = await storage.postForm('any', { conditions })
    expect(form.fields['content-type']).toBeUndefined()
    expect(await submit(form, 'x', { 'Content-Type': 'image/gif' })).toBe(204)
    expect(await submit(form, 'x', { 'Content-Type': 'text/html' })).toBe(403)
  })

  it.each([0, 604_801, 0.5])('is not valid for %d seconds', async expiresIn => {
    await expect(connect().postForm('a', { expiresIn })).rejects.toMatchObject({
      name: 'ValidationError',
      operation: 'postForm',
      message: expect.stringContaining('604800'),
    })
  })

  it.each<[object, RegExp]>([
    [{ fields: { key: 'other' } }, /field "key" by itself/],
    [{ fields: { Policy: 'other' } }, /field "Policy" by itself/],
    [{ fields: { 'x-amz-meta-a': 5 } }, /"x-amz-meta-a" is a string/],
    [{ maxSize: -1 }, /maxSize/],
    [{ maxSize: 1.5 }, /maxSize/],
    [{ maxSize: Number.NaN }, /maxSize/],
    [{ conditions: {} }, /"conditions" is a list/],
    [{ conditions: [null] }, /"conditions" is a list/],
    [{ conditions: [['contains', '$key', 'a']] }, /"conditions" is a list/],
    [{ conditions: [['content-length-range', 0]] }, /"conditions" is a list/],
  ])('refuses what no policy can have: %j', async (options, message) => {
    await expect(connect().postForm('a', options as PostFormOptions)).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringMatching(message),
    })
  })

  it('never shows a customer’s key', async () => {
    const key = '0123456789abcdef0123456789abcdef'
    const sealed = connect({ objectParameters: { SSECustomerKey: key } })
    await expect(sealed.postForm('a')).rejects.toMatchObject({ name: 'UnsupportedError' })
    const fields = { 'x-amz-server-side-encryption-customer-key': btoa(key) }
    await expect(connect().postForm('a', { fields })).rejects.toMatchObject({
      name: 'UnsupportedError',
      message: expect.not.stringContaining(btoa(key)),
    })
  })

  it('passes the door of names, and knows its options', async () => {
    await expect(connect().postForm('../a')).rejects.toMatchObject({
      name: 'SuspiciousFileOperation',
    })
    const wrong = { maxsize: 5 } as PostFormOptions
    await expect(connect().postForm('a', wrong)).rejects.toThrow('Did you mean "maxSize"?')
  })
})
