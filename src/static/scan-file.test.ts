// biome-ignore-all lint/suspicious/noTemplateCurlyInString: scripts under test hold templates
import { beforeAll, describe, expect, it } from 'vitest'
import { loadScriptLexer } from './references/modules.ts'
import { rewriteReferences } from './references/rewrite.ts'
import { scanFile } from './scan-file.ts'
import type { Language } from './source-file.ts'

beforeAll(loadScriptLexer)

/** The file with every reference marked. */
function marked(text: string, language: Language): string {
  const bytes = Buffer.from(text)
  const { references } = scanFile(bytes, language)
  return Buffer.from(rewriteReferences(bytes, references, ({ url }) => `${url}!`)).toString()
}

/** More than what is always given to the lexer. */
const filler = `/* ${'x'.repeat(40_000)} */\n`

describe('scanFile', () => {
  it.each<[Language, string, string]>([
    [
      'css',
      '/* 👪é */a{b:url("é.png");c:url("ü.png")}',
      '/* 👪é */a{b:url("é.png!");c:url("ü.png!")}',
    ],
    ['module', '/*é*/import "./a.js";"à"', '/*é*/import "./a.js!";"à"'],
    [
      'module',
      '"👪";import "./日本.js";import("./é.js")',
      '"👪";import "./日本.js!";import("./é.js!")',
    ],
    ['module', '"é";import "./\\u00e9.js"', '"é";import "./é.js!"'],
    ['module', '\ufeffimport "./a.js"', '\ufeffimport "./a.js!"'],
    ['module', '\ufeffimport "./é.js"', '\ufeffimport "./é.js!"'],
    ['script', 'é()\n//# sourceMappingURL=é.map', 'é()\n//# sourceMappingURL=é.map!'],
    ['web-manifest', '{"é":"ü","src":"é.png"}', '{"é":"ü","src":"é.png!"}'],
  ])(
    'finds what stands behind text of several bytes a character: %s %s',
    (language, text, wanted) => {
      expect(marked(text, language)).toBe(wanted)
    },
  )

  it.each([
    'import{a}from"./a.js"',
    'import/**/"./a.js"',
    'x=import ( /* x */ "./a.js")',
    'export*from"./a.js"',
    'export {a} from "./a.js"',
    'export/**/{a}from"./a.js"',
    'new Worker("./a.js")',
    'new SharedWorker ( "./a.js" )',
    'new Worker/**/(/**/"./a.js")',
    'new URL("./a.js",import.meta.url)',
    'import . meta.resolve("./a.js")',
    'f`${import("./a.js")}`',
    '𝒳=import("./a.js")',
  ])('finds in a large module, too: %s', text => {
    const references = scanFile(Buffer.from(text), 'module').references.map(({ url }) => url)
    const found = scanFile(Buffer.from(filler + text), 'module').references
    expect(found.map(({ url }) => url)).toEqual(references)
    if (!text.includes('/**/(') && !text.includes('import .'))
      expect(references).toEqual(['./a.js'])
  })

  it.each([
    ['f()\n//# sourceMappingURL=a.map', ['a.map']],
    ['f()\r\n//#\tsourceMappingURL=a.map \r\n//# sourceMappingURL=b.map\n', ['a.map', 'b.map']],
    ['f();//# sourceMappingURL=a.map', []],
    ['//# sourceMappingURL="a.map"', []],
    ['//@ sourceMappingURL=a.map', []],
    ['/*\n//# sourceMappingURL=a.map\n*/', []],
    ['`\n//# sourceMappingURL=a.map\n`', []],
    ['//# sourceMappingURL=a.map\n`x`', ['a.map']],
  ])('finds the source map of a large script as of a small one: %j', (text, wanted) => {
    for (const script of [text, filler + text]) {
      const { references } = scanFile(Buffer.from(script), 'script')
      expect(references.map(({ url }) => url)).toEqual(wanted)
      for (const { start, end, line, url } of references) {
        expect(script.slice(start, end).trimEnd()).toMatch(/^\/\/#[ \t]sourceMappingURL=/)
        expect(script.slice(start, end).trimEnd().endsWith(url)).toBe(true)
        expect(line).toBe(script.slice(0, start).split('\n').length)
      }
    }
  })

  it('reports a small script that does not parse, whatever it holds', () => {
    expect(scanFile(Buffer.from('function ( {\n//# sourceMappingURL=a.map'), 'module')).toEqual({
      references: [],
      problems: [{ line: 1, message: 'the script does not parse, and was left as it is' }],
    })
  })

  it('leaves and reports what is no UTF-8', () => {
    for (const language of ['css', 'module', 'html'] as const)
      expect(scanFile(Buffer.from('caf\xe9', 'latin1'), language).problems).toHaveLength(1)
  })
})
