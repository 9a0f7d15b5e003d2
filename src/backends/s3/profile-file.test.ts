import { describe, expect, it } from 'vitest'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { type ProfileFileKind, parseProfiles } from './profile-file.ts'

function profiles(text: string, kind: ProfileFileKind = 'credentials'): Record<string, object> {
  const parsed = parseProfiles(text, kind, '~/.aws/file')
  return Object.fromEntries([...parsed].map(([name, all]) => [name, Object.fromEntries(all)]))
}

describe('parseProfiles', () => {
  it('reads sections of settings', () => {
    expect(profiles('[default]\na=1\nB_C = two words \n\n[other]\na=x=y\n')).toEqual({
      default: { a: '1', b_c: 'two words' },
      other: { a: 'x=y' },
    })
  })

  it('reads Windows line ends, a byte order mark and no final line end', () => {
    expect(profiles('\ufeff[a]\r\nx=1\r\n[b]\r\ny=2')).toEqual({ a: { x: '1' }, b: { y: '2' } })
  })

  it('leaves out comments, but not what only looks like one', () => {
    const text = '# [no]\n; x=1\n  # y\n[a] # b\nx = 1 # c\ny = 2 ; d\nz = p#q;r\nw = # e\n'
    expect(profiles(text)).toEqual({ a: { x: '1', y: '2', z: 'p#q;r', w: '' } })
  })

  it('takes the last of a setting, and joins sections of one name', () => {
    expect(profiles('[a]\nx=1\nx=2\n[b]\n[a]\ny=3')).toEqual({ a: { x: '2', y: '3' }, b: {} })
  })

  it('passes over nested settings', () => {
    const text = '[a]\ns3 =\n  x = 1\n    more\nregion = r\n'
    expect(profiles(text)).toEqual({ a: { s3: '', region: 'r' } })
  })

  it('reads a section that is indented as a whole', () => {
    expect(profiles('[a]\nw = 0\n[b]\n  x = 1\n  y = 2\n')).toEqual({
      a: { w: '0' },
      b: { x: '1', y: '2' },
    })
  })

  it('knows profiles of a configuration file by their title', () => {
    const text =
      '[default]\nx=0\n[profile a]\nx=1\n[profile "b c"]\nx=2\n[sso-session a]\nx=3\n[a]\nx=4\n'
    expect(profiles(text, 'config')).toEqual({
      default: { x: '0' },
      a: { x: '1' },
      'b c': { x: '2' },
    })
    expect(Object.keys(profiles(text, 'credentials'))).toContain('profile a')
  })

  it.each([
    ['a section that is not closed', '[a]\nx=1\n[b\nhunter2=x', 3],
    ['a section without a name', '[]\nhunter2=x', 1],
    ['something behind a section', '[a] hunter2', 1],
    ['a setting before all sections', '\nkey=hunter2', 2],
    ['a line that is no setting', '[a]\nhunter2', 2],
    ['a setting without a name', '[a]\n=hunter2', 2],
  ])('refuses %s by its line, and does not show it', (_what, text, line) => {
    expect(() => profiles(text)).toThrow(ImproperlyConfigured)
    expect(() => profiles(text)).toThrow(`Line ${line} of ~/.aws/file`)
    expect(() => profiles(text)).not.toThrow('hunter2')
  })
})
