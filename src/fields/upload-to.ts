import { ImproperlyConfigured, SuspiciousFileOperation } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'

/** The whole name of a file from its row and the name that it came with; called once per stored file. */
export type UploadTo<Row> = { f(row: Row, filename: string): string | Promise<string> }['f']

/**
 * `uploadTo` of a text: its directives filled in with the local time (as Python's `strftime`, which
 * Django uses), joined with the name that the file came with.
 */
export function datedName(template: string, filename: string, now: Date): string {
  const folder = formatTime(template, now)
  // As Python's `posixpath.join`: an absolute name stays alone, and is refused later for it.
  if (folder === '' || filename.startsWith('/')) return filename
  return folder.endsWith('/') ? folder + filename : `${folder}/${filename}`
}

/**
 * Refuses what Django's `validate_file_name` refuses: no file name, `..`, an absolute name.
 *
 * @throws SuspiciousFileOperation
 */
export function checkUploadName(name: unknown): string {
  if (typeof name !== 'string') {
    throw new SuspiciousFileOperation(`uploadTo gives a string, not ${typeof name}.`)
  }
  const segments = name.replaceAll('\\', '/').split('/')
  const last = segments.at(-1) ?? ''
  if (last === '' || last === '.' || last === '..') {
    throw new SuspiciousFileOperation(`Could not derive file name from ${quoteName(name)}.`)
  }
  if (segments[0] === '' || segments.includes('..')) {
    throw new SuspiciousFileOperation(`Detected path traversal attempt in ${quoteName(name)}.`)
  }
  return name
}

/**
 * Whether a template has only known directives; a field asks when it is made.
 *
 * @throws ImproperlyConfigured naming the directive
 */
export function checkTemplate(template: string): void {
  for (const [directive, , letter = ''] of template.matchAll(directives)) {
    if (Object.hasOwn(formats, letter)) continue
    throw new ImproperlyConfigured(
      `uploadTo has the unknown directive "${directive}"; a percent sign is written "%%".`,
      { setting: 'uploadTo' },
    )
  }
}

const directives = /%([-_0^]?)(.?)/gsu

function formatTime(template: string, time: Date): string {
  return template.replace(directives, (_all, flag: string, letter: string) => {
    const text = formats[letter]?.(time) ?? ''
    return flags[flag]?.(text) ?? text
  })
}

/** glibc's, between the percent sign and the letter: how a number is filled up. */
const flags: Readonly<Record<string, (text: string) => string>> = {
  '-': text => text.replace(/^[0 ]+(?=\d)/, ''),
  _: text => text.replace(/^0+(?=\d)/, zeros => ' '.repeat(zeros.length)),
  '0': text => text.replace(/^ +/, blanks => '0'.repeat(blanks.length)),
  '^': text => text.toUpperCase(),
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** Python's directives and those of glibc that it passes on, in the C locale. */
const formats: Readonly<Record<string, (time: Date) => string>> = {
  '%': () => '%',
  a: time => name(days, time.getDay()).slice(0, 3),
  A: time => name(days, time.getDay()),
  b: time => name(months, time.getMonth()).slice(0, 3),
  B: time => name(months, time.getMonth()),
  c: time => formatTime('%a %b %e %H:%M:%S %Y', time),
  C: time => pad(Math.floor(time.getFullYear() / 100)),
  d: time => pad(time.getDate()),
  D: time => formatTime('%m/%d/%y', time),
  e: time => String(time.getDate()).padStart(2, ' '),
  f: time => `${pad(time.getMilliseconds(), 3)}000`,
  F: time => formatTime('%Y-%m-%d', time),
  g: time => pad(isoWeek(time).year % 100),
  G: time => String(isoWeek(time).year),
  h: time => formatTime('%b', time),
  H: time => pad(time.getHours()),
  I: time => pad(hourOfHalfDay(time)),
  j: time => pad(dayOfYear(time) + 1, 3),
  k: time => String(time.getHours()).padStart(2, ' '),
  l: time => String(hourOfHalfDay(time)).padStart(2, ' '),
  m: time => pad(time.getMonth() + 1),
  M: time => pad(time.getMinutes()),
  p: time => (time.getHours() < 12 ? 'AM' : 'PM'),
  r: time => formatTime('%I:%M:%S %p', time),
  R: time => formatTime('%H:%M', time),
  s: time => String(Math.floor(time.getTime() / 1000)),
  S: time => pad(time.getSeconds()),
  T: time => formatTime('%H:%M:%S', time),
  u: time => String(time.getDay() === 0 ? 7 : time.getDay()),
  U: time => pad(Math.floor((dayOfYear(time) + 7 - time.getDay()) / 7)),
  V: time => pad(isoWeek(time).week),
  w: time => String(time.getDay()),
  W: time => pad(Math.floor((dayOfYear(time) + 7 - ((time.getDay() + 6) % 7)) / 7)),
  x: time => formatTime('%m/%d/%y', time),
  X: time => formatTime('%H:%M:%S', time),
  y: time => pad(time.getFullYear() % 100),
  Y: time => String(time.getFullYear()),
  // Python's `datetime.now()` knows no zone: both are empty there.
  z: () => '',
  Z: () => '',
}

function name(names: readonly string[], index: number): string {
  return names[index] ?? ''
}

function pad(value: number, length = 2): string {
  return String(value).padStart(length, '0')
}

function hourOfHalfDay(time: Date): number {
  return time.getHours() % 12 === 0 ? 12 : time.getHours() % 12
}

const dayLength = 86_400_000

/** From 0; counted in UTC, where every day has the same length. */
function dayOfYear(time: Date): number {
  const day = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate())
  return Math.round((day - Date.UTC(time.getFullYear(), 0, 1)) / dayLength)
}

/** ISO 8601: weeks begin on Monday, and belong to the year that has their Thursday. */
function isoWeek(time: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()))
  thursday.setUTCDate(thursday.getUTCDate() + 3 - ((thursday.getUTCDay() + 6) % 7))
  const year = thursday.getUTCFullYear()
  const days = Math.round((thursday.getTime() - Date.UTC(year, 0, 1)) / dayLength)
  return { year, week: Math.floor(days / 7) + 1 }
}
