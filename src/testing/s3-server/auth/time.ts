/** How far the clocks of client and server may differ, in milliseconds. */
export const MAX_SKEW: number = 15 * 60 * 1000

const LONG_FORM = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

/** Parses `20130524T000000Z`; undefined if it is none. */
export function parseAmzDate(text: string): Date | undefined {
  const match = LONG_FORM.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  return validDate(new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`))
}

/** Parses what a Date header may hold: an HTTP date, or the long form. */
export function parseHttpDate(text: string): Date | undefined {
  return parseAmzDate(text) ?? validDate(new Date(text))
}

/** `2013-05-24T00:00:00.000Z` as S3 writes it in XML. */
export function isoTime(date: Date): string {
  return date.toISOString()
}

/** `2013-05-24T00:00:00Z`, as error bodies have it. */
export function isoSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

function validDate(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date
}
