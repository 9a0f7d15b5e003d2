import { ContentFile, MemoryStorage } from 'stowage'
import {
  collectGarbage,
  type FieldFile,
  FileField,
  fileCodec,
  fileTransaction,
  ImageField,
} from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import { BaseEntity, type DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'

const storage = new MemoryStorage({})
const byDate = new FileField({
  storage,
  uploadTo: 'uploads/%Y/%m/%d/',
  default: 'tests/default.txt',
  maxLength: 100,
  onDelete: 'keep',
  onReplace: 'cleanup',
  overwrite: false,
})
const byRow = new FileField<Document>({
  storage: () => storage,
  uploadTo: async (row: Document, filename) => `${row.id}/${filename}`,
})
const image = new ImageField({ storage, uploadTo: 'images' })

@Entity()
class Document extends BaseEntity {
  @PrimaryGeneratedColumn() id!: number
  @FileColumn(byDate) declare file: FieldFile
  @FileColumn(byRow) declare other: FieldFile
  @FileColumn(image) declare picture: FieldFile
}
export async function use(source: DataSource): Promise<void> {
  await registerFiles(source)
  const row = new Document()
  await row.file.save('django_test.txt', new ContentFile('content'))
  await row.file.save('later.txt', 'content', { save: false })
  const facts: [string | null, number, boolean, string, string] = [
    row.file.name,
    await row.file.size(),
    row.file.hasFile(),
    await row.file.url({ expiresIn: 60 }),
    String(row.file),
  ]
  await row.file.open('r')
  const some: Uint8Array | string = await row.file.read(3)
  const text: string = await row.file.text(),
    bytes: Uint8Array = await row.file.bytes()
  for await (const chunk of row.file.chunks({ chunkSize: 2 })) chunk.byteLength
  row.file.readable()
  await row.file.close()
  row.other
    .assign(new File(['x'], 'x.txt'))
    .assign('stored/name.txt')
    .assign(row.file)
    .assign(null)
  await fileTransaction(() =>
    source.transaction(async manager => {
      await manager.save(row)
    }),
  )
  await row.file.delete({ save: true })
  await row.file.delete({ default: true })
  const cached: string = fileCodec.encode({ row, file: row.file })
  const back: unknown = fileCodec.decode(cached)
  console.log(
    facts,
    some,
    text,
    bytes,
    back,
    row.file.storage,
    row.file.field,
    row.file.owner,
    row.file.toJSON(),
    collectGarbage,
  )
}
