import { processEnvironment } from '../../core/settings.ts'
import type { Storage } from '../../core/storage.ts'
import { saveLargeStream } from './large-stream.ts'
import { openPlaces, type Places } from './places.ts'
import { Report } from './report.ts'

/**
 * The main job on real input: the session of the old documentation page, signed URLs, a race for
 * one name, a large stream, on each storage.
 *
 * @returns whether every line came out as it should
 */
export async function runDemo(options: { readonly json: boolean }): Promise<boolean> {
  const report = new Report(options.json)
  const started = performance.now()
  const places = await openPlaces(processEnvironment())
  try {
    await demonstrate(places, report)
  } finally {
    await places.close()
  }
  report.end((performance.now() - started) / 1000)
  return report.ok
}

async function demonstrate(places: Places, report: Report): Promise<void> {
  const storages = Object.entries({ disk: places.disk, memory: places.memory, s3: places.s3 })
  for (const [title, storage] of storages) {
    report.section(title === 's3' ? `S3 at ${places.endpoint}` : title)
    await runSession(storage, report)
  }
  report.section('Signed URLs')
  await fetchSignedUrls(places.s3, report)
  report.section('50 saves of one name at once')
  for (const [title, storage] of storages) await raceForName(title, storage, report)
  report.section('A stream of 200 MiB whose length nobody knows')
  await saveLargeStream('disk', places.disk, report)
  await saveLargeStream('s3', places.s3, report)
}

/** https://django-storages.readthedocs.io, "Storage": the session of the page, line by line. */
async function runSession(storage: Storage, report: Report): Promise<void> {
  report.check("await storage.exists('storage_test')", await storage.exists('storage_test'), false)
  const file = await storage.open('storage_test', 'w')
  report.note("> const file = await storage.open('storage_test', 'w')")
  report.check("await file.write('storage contents')", await file.write('storage contents'), 16)
  report.check('await file.close()', await file.close(), undefined)
  report.check("await storage.exists('storage_test')", await storage.exists('storage_test'), true)
  const opened = await storage.open('storage_test', 'r')
  report.note("> const opened = await storage.open('storage_test', 'r')")
  report.check('await opened.read()', await opened.read(), 'storage contents')
  report.check('await opened.close()', await opened.close(), undefined)
  report.check(
    "await storage.delete('storage_test')",
    await storage.delete('storage_test'),
    undefined,
  )
  report.check("await storage.exists('storage_test')", await storage.exists('storage_test'), false)
}

async function fetchSignedUrls(storage: Storage, report: Report): Promise<void> {
  const name = await storage.save('signed.txt', 'for whoever has the URL')
  const url = await storage.url(name, { expiresIn: 60 })
  const fleeting = await storage.url(name, { expiresIn: 1 })
  report.check('(await fetch(url)).status', await statusOf(url), 200)
  report.check('(await fetch(tampered)).status', await statusOf(tamper(url)), 403)
  await new Promise(resolve => setTimeout(resolve, 2100))
  report.check('(await fetch(expired)).status', await statusOf(fleeting), 403)
  await storage.delete(name)
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url)
  await response.arrayBuffer()
  return response.status
}

/** The same URL with another last digit in its signature. */
function tamper(url: string): string {
  return url.replace(
    /(X-Amz-Signature=[0-9a-f]*)([0-9a-f])/,
    (_all, start: string, last: string) => start + (last === '0' ? '1' : '0'),
  )
}

async function raceForName(title: string, storage: Storage, report: Report): Promise<void> {
  const contents = Array.from({ length: 50 }, (_, index) => `content ${index}`)
  const names = await Promise.all(contents.map(content => storage.save('race.txt', content)))
  report.check(`${title}: different names`, new Set(names).size, 50)
  const read = await Promise.all(names.map(async name => await (await storage.file(name)).text()))
  report.check(
    `${title}: right contents`,
    read.filter((text, index) => text === contents[index]).length,
    50,
  )
  await storage.deleteMany(names)
}
