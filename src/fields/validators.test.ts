import { describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import type { Content } from '../core/content.ts'
import { StorageError, ValidationError } from '../core/errors.ts'
import { FileField } from './file-field.ts'
import { ImageField } from './image-field.ts'
import {
  allowExtensions,
  allowImages,
  allowTypes,
  type FileValidator,
  maxSize,
} from './validators.ts'

const pngHeader = '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\b\x02\0\0\0'
const gif = 'GIF89a\x01\0\x01\0\0\0\0'

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, letter => letter.charCodeAt(0))
}

/** Saves a file through a field, and resolves to what is stored then. */
async function storedAfter(
  validators: readonly FileValidator[],
  name: string,
  content: Content,
): Promise<string[]> {
  const storage = new MemoryStorage({})
  const field = new FileField({ storage, validators })
  const run = field.file(null).save(name, content, { save: false })
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const names: string[] = []
  for await (const file of storage.list('', { recursive: true })) names.push(file.name)
  if (error !== undefined) {
    expect(names, 'nothing of a refused file is stored').toEqual([])
    throw error
  }
  return names
}

describe('allowExtensions', () => {
  it.each(['a.txt', 'a.TXT', 'a.tar.txt', 'd/a.Txt'])('takes %s', async name => {
    await expect(storedAfter([allowExtensions('txt')], name, 'x')).resolves.toHaveLength(1)
  })

  it.each(['a.jpg', 'a', '.txt', 'a.txt.jpg', 'a.txt.', 'a.txt/b', 'a.txt\\b'])(
    'refuses %s',
    async name => {
      await expect(storedAfter([allowExtensions('txt', '.MD')], name, 'x')).rejects.toBeInstanceOf(
        ValidationError,
      )
    },
  )

  it('says what is allowed in the words of Django', async () => {
    await expect(storedAfter([allowExtensions('txt')], 'a.jpg', 'x')).rejects.toThrow(
      'File extension “jpg” is not allowed. Allowed extensions are: txt.',
    )
    await expect(storedAfter([allowExtensions('txt')], 'a.x\r\ny', 'x')).rejects.toThrow(
      'File extension “x\\r\\ny” is not allowed.',
    )
  })
})

describe('maxSize', () => {
  async function* endless() {
    for (;;) yield new Uint8Array(1000)
  }

  it('takes a file of that size', async () => {
    await expect(storedAfter([maxSize(3)], 'a', 'abc')).resolves.toEqual(['a'])
  })

  it.each<[string, Content]>([
    ['bytes', new Uint8Array(4)],
    ['text, counted in bytes', 'äö'],
    ['a Blob', new Blob(['abcd'])],
    ['a stream, which is ended where it exceeds them', endless()],
    ['a web stream', new Blob(['abcd']).stream()],
  ])('refuses more of %s', async (_what, content) => {
    await expect(storedAfter([maxSize(3)], 'a', content)).rejects.toMatchObject({
      name: 'FileTooLargeError',
    })
  })

  it('says of what is no content that it is none, also where that has a method "size"', async () => {
    const file = new FileField({ storage: new MemoryStorage({}) }).file('a')
    await expect(storedAfter([maxSize(1)], 'a', Object(file))).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.not.stringContaining('=>'),
    })
  })

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('takes no limit of %s', bytes => {
    expect(() => maxSize(bytes)).toThrow(ValidationError)
  })
})

describe('allowTypes', () => {
  it.each<[string, string, string]>([
    ['image/png', 'a.png', pngHeader],
    ['image/*', 'a.png', pngHeader],
    ['image/*', 'without-a-suffix', pngHeader],
    ['application/pdf', 'a.pdf', '%PDF-1.7'],
    ['text/plain', 'a.txt', 'plain words'],
    ['text/csv', 'a.csv', 'a,b\n1,2'],
    ['application/json', 'a.json', '{}'],
    ['application/gzip', 'a.tar.gz', '\x1f\x8b\b'],
    ['image/svg+xml', 'a.svg', '<svg/>'],
  ])('takes %s: %s', async (type, name, content) => {
    await expect(storedAfter([allowTypes(type)], name, latin1(content))).resolves.toHaveLength(1)
  })

  const ftyp = (brand: string) => `\0\0\0\x18ftyp${brand}\0\0\0\0`
  const zip = 'PK\x03\x04'
  const jpeg = '\xff\xd8\xff\xe0'
  const docx = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

  it.each<[string, string, string]>([
    ['image/*', 'a.jfif', jpeg],
    ['image/*', 'a.heif', ftyp('heic')],
    ['image/heif', 'a.heic', ftyp('mif1')],
    ['image/avif', 'a.avif', `${ftyp('mif1')}mif1avifmiaf`],
    ['image/*', 'a.apng', pngHeader],
    ['IMAGE/JPEG', 'a.JPG', jpeg],
    ['image/jpg', 'a.jpg', jpeg],
    ['image/x-icon', 'a.ico', '\0\0\x01\0'],
    ['image/svg+xml', 'a.svg', `<?xml version="1.0"?><!--${' '.repeat(2000)}--><svg/>`],
    ['text/csv', 'a.csv', 'BMW,3\nID3,4'],
    ['text/csv', 'a.csv ', 'a,b'],
    ['text/plain', 'a.txt', 'MZ is what programs begin with'],
    ['application/msword', 'a.doc', '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0'],
    ['application/rtf', 'a.rtf', '{\\rtf1 a}'],
    ['application/gpx+xml', 'a.gpx', '<?xml version="1.0"?><gpx/>'],
    [docx, 'a.docx', zip],
    ['application/vnd.android.package-archive', 'a.apk', zip],
    ['application/x-tar', 'a.tar', `a.txt${'\0'.repeat(252)}ustar\0`],
    ['font/ttf', 'a.ttf', '\0\x01\0\0\0\x0c'],
    ['video/x-matroska', 'a.mkv', '\x1a\x45\xdf\xa3'],
    ['video/mp4', 'a.mov', ftyp('isom')],
    ['video/3gpp', 'a.3gp', ftyp('3gp5')],
    ['video/quicktime', 'a.mov', '\0\0\0\x08wide\0\0\0\0mdat'],
    ['video/ogg', 'a.ogv', 'OggS\0'],
    ['audio/mpeg', 'a.mp3', '\xff\xf3\x90'],
    ['audio/x-wav', 'a.wav', 'RIFF\0\0\0\0WAVE'],
    ['audio/x-m4a', 'a.m4a', ftyp('M4A ')],
    ['application/x-rar-compressed', 'a.rar', 'Rar!\x1a\x07'],
    // Windows-1252 and UTF-16, as spreadsheets write them
    ['text/csv', 'a.csv', 'M\xfcller;Stra\xdfe\r\n'],
    ['text/csv', 'a.csv', '\xff\xfea\0;\0b\0'],
    ['text/vcard', 'a.vcf', 'BEGIN:VCARD'],
    ['application/yaml', 'a.yaml', 'a: 1'],
    ['application/javascript', 'a.js', 'x()'],
    ['application/xml', 'a.xml', '<feed/>'],
    ['application/gpx+xml', 'a.gpx', '<gpx/>'],
    ['text/html', 'a.html', '<!doctype html><p><svg /></p>'],
  ])('takes, in the use of every day, %s: %s', async (type, name, content) => {
    await expect(storedAfter([allowTypes(type)], name, latin1(content))).resolves.toHaveLength(1)
  })

  it.each(['image', 'image/unheard-of', '*/*', 'text/plain; charset=utf-8'])(
    'says at once that it cannot tell %s by content',
    type => {
      expect(() => allowTypes('image/png', type)).toThrow(ValidationError)
    },
  )

  it.each<[string, string, string, string]>([
    ['a script that is called an image', 'image/png', 'a.png', '<script>x()</script>'],
    ['a page that is called a text', 'text/plain', 'a.txt', '<!DOCTYPE html><p>'],
    ['a page behind blanks', 'text/plain', 'a.txt', '  \n\t<script>x()</script>'],
    ['an image that is called a page', 'image/*', 'a.html', pngHeader],
    ['an image of another kind', 'image/png', 'a.png', gif],
    ['an image under the name of another kind', 'image/*', 'a.gif', pngHeader],
    ['a program that is called a PDF', 'application/pdf', 'a.pdf', 'MZ\x90\0'],
    ['an SVG document among images', 'image/*', 'a.svg', '<svg onload="x()"/>'],
    ['an SVG document without a suffix', 'image/*', 'a', '<svg onload="x()"/>'],
    ['text that is none', 'text/plain', 'a.txt', '\0\x01'],
    ['UTF-16 without a mark', 'text/csv', 'a.csv', 'a\0;\0b\0'],
    ['a page that is called an SVG document', 'image/svg+xml', 'a.svg', '<html><svg /></html>'],
    ['an SVG document that is called XML', 'application/xml', 'a.svg', '<svg />'],
    ['an empty file that is called an image', 'image/*', 'a.png', ''],
  ])('refuses %s', async (_what, type, name, content) => {
    await expect(storedAfter([allowTypes(type)], name, latin1(content))).rejects.toBeInstanceOf(
      ValidationError,
    )
  })

  it('goes by the content, whatever type a browser claims', async () => {
    const file = new File(['<script>x()</script>'], 'a.png', { type: 'image/png' })
    await expect(storedAfter([allowTypes('image/png')], 'a.png', file)).rejects.toThrow(
      'is of the type text/html',
    )
  })
})

describe('a name that becomes another one', () => {
  const storage = new MemoryStorage({})
  const names = ['a.ht?ml', 'a.html ', 'a.html;', 'a.html\n', 'a.h|tml', 'a.s:vg', 'a.js"']
  const imageFields: [string, FileField][] = [
    ['ImageField', new ImageField({ storage })],
    ['allowImages()', new FileField({ storage, validators: [allowImages()] })],
    ['allowTypes()', new FileField({ storage, validators: [allowTypes('image/*')] })],
  ]

  it.each(imageFields)('is looked at by %s as it will be stored', async (_what, field) => {
    for (const name of names) {
      const run = field.file(null).save(name, latin1(pngHeader), { save: false })
      await expect(run, name).rejects.toBeInstanceOf(StorageError)
    }
    expect(await storage.listdir('')).toEqual([[], []])
  })

  it('is looked at as uploadTo makes it', async () => {
    const validators = [allowTypes('image/*')]
    const field = new FileField({ storage, validators, uploadTo: () => 'me.html' })
    const run = field.file(null).save('me.png', latin1(pngHeader), { save: false })
    await expect(run).rejects.toBeInstanceOf(ValidationError)
  })
})

describe('validators', () => {
  it('see a stream before anything of it is stored, which then goes on whole', async () => {
    async function* stream() {
      yield latin1(pngHeader).slice(0, 5)
      yield latin1(pngHeader).slice(5)
      yield new Uint8Array(5000)
    }
    const storage = new MemoryStorage({})
    const field = new FileField({ storage, validators: [allowImages(), maxSize(6000)] })
    const file = field.file(null)
    await file.save('a.png', stream(), { save: false })
    expect(await file.size()).toBe(pngHeader.length + 5000)
  })

  it('end a stream that they refuse', async () => {
    let ended = false
    async function* stream() {
      try {
        for (;;) yield latin1('no image')
      } finally {
        ended = true
      }
    }
    await expect(storedAfter([allowImages()], 'a.png', stream())).rejects.toMatchObject({
      name: 'InvalidImageError',
    })
    expect(ended).toBe(true)
  })

  it('run one after the other until the first that refuses', async () => {
    const seen: string[] = []
    const validator = (name: string, error?: Error): FileValidator => {
      return async () => {
        seen.push(name)
        if (error !== undefined) throw error
      }
    }
    const refusal = new ValidationError('no')
    const validators = [validator('first'), validator('second', refusal), validator('third')]
    await expect(storedAfter(validators, 'a', 'x')).rejects.toBe(refusal)
    expect(seen).toEqual(['first', 'second'])
  })
})
