import { describe, expect, it } from 'vitest'
import { checkTemplate, datedName } from './upload-to.ts'

describe('the dates of a folder', () => {
  const time = new Date(2024, 1, 29, 13, 4, 5, 67)

  /** What Python 3.11 on Linux gives for `datetime(2024, 2, 29, 13, 4, 5, 67000).strftime(…)`. */
  it.each([
    ['%Y/%m/%d', '2024/02/29'],
    ['%y %C %G %g', '24 20 2024 24'],
    ['%a %A %b %B %h', 'Thu Thursday Feb February Feb'],
    ['%H:%M:%S %I %p', '13:04:05 01 PM'],
    ['%e|%k|%l', '29|13| 1'],
    ['%j %U %W %V %u %w', '060 08 09 09 4 4'],
    ['%f', '067000'],
    ['%c', 'Thu Feb 29 13:04:05 2024'],
    ['%x %X', '02/29/24 13:04:05'],
    ['%D %F %T %R %r', '02/29/24 2024-02-29 13:04:05 13:04 01:04:05 PM'],
    ['%z%Z', ''],
    ['100%%', '100%'],
    ['%-d.%-m. %-H %-I %-M %-j %_m %0e %0l %^a', '29.2. 13 1 4 60  2 29 01 THU'],
  ])('are filled in for %s', (template, expected) => {
    expect(datedName(template, 'a.txt', time)).toBe(expected === '' ? 'a.txt' : `${expected}/a.txt`)
  })

  /** The same of days at the ends of years, where weeks belong to another one. */
  it.each([
    [new Date(2021, 0, 1), '2020 53 00 00 001'],
    [new Date(2018, 11, 31), '2019 01 52 53 365'],
    [new Date(2024, 11, 31), '2025 01 52 53 366'],
    [new Date(2023, 0, 1), '2022 52 01 00 001'],
  ])('count the weeks of %s as Python does', (day, expected) => {
    expect(datedName('%G %V %U %W %j', 'a', day)).toBe(`${expected}/a`)
  })

  it.each([0, 11, 12, 23])('have twelve hours at %i o’clock', hour => {
    const expected = { 0: '12 AM', 11: '11 AM', 12: '12 PM', 23: '11 PM' }[hour]
    expect(datedName('%I %p', 'a', new Date(2024, 0, 1, hour))).toBe(`${expected}/a`)
  })

  it('are never taken from the name of a file', () => {
    expect(datedName('%Y', '%d%%.txt', time)).toBe('2024/%d%%.txt')
  })

  it.each(['%Q', '%', 'a/%', '%1', '%-', '%-Q', '%--d', '%日'])(
    'refuse %s, which says nothing',
    template => {
      expect(() => checkTemplate(template)).toThrow('unknown directive')
    },
  )
})
