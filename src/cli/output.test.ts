import { describe, expect, it, vi } from 'vitest'
import { print, say } from './output.ts'

const name = 'a\u001b[31m\u009b2J\u007f\rb\ténd'
const shown = 'a\\u001b[31m\\u009b2J\\u007f\\u000db\\u0009énd'

function written(stream: NodeJS.WriteStream, isTTY: boolean, work: () => void): string {
  let text = ''
  const before = stream.isTTY
  stream.isTTY = isTTY
  const write = vi.spyOn(stream, 'write').mockImplementation(chunk => {
    text += String(chunk)
    return true
  })
  try {
    work()
  } finally {
    stream.isTTY = before
    write.mockRestore()
  }
  return text
}

describe('results', () => {
  it('bring no control characters to a terminal', () => {
    expect(written(process.stdout, true, () => print(`${name}\n!`))).toBe(`${shown}\\u000a!\n`)
  })

  it('are as they are in a pipe', () => {
    expect(written(process.stdout, false, () => print(name))).toBe(`${name}\n`)
  })
})

describe('messages', () => {
  it.each([true, false])('keep their lines, and no other control character (%s)', isTTY => {
    expect(written(process.stderr, isTTY, () => say(`1: ${name}\n2`))).toBe(`1: ${shown}\n2\n`)
  })
})
