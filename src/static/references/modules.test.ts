// biome-ignore-all lint/suspicious/noTemplateCurlyInString: scripts under test hold templates
import { beforeAll, describe, expect, it } from 'vitest'
import { loadScriptLexer, scanScript } from './modules.ts'
import type { Scan } from './reference.ts'
import { rewriteReferences } from './rewrite.ts'

beforeAll(loadScriptLexer)

/** The script with every reference marked. */
function marked(text: string, modules = true): string {
  return rewritten(text, scanScript(text, modules), url => `${url}!`)
}

function rewritten(text: string, { references }: Scan, urlOf: (url: string) => string): string {
  const bytes = rewriteReferences(Buffer.from(text), references, ({ url }) => urlOf(url))
  return Buffer.from(bytes).toString()
}

describe('scanScript', () => {
  it.each([
    ['import a from "./a.js";', 'import a from "./a.js!";'],
    ["import{a}from'../a.js'", "import{a}from'../a.js!'"],
    ['import * as m from "/static/a.js"', 'import * as m from "/static/a.js!"'],
    ['import "./a.js"', 'import "./a.js!"'],
    [
      'import d, {e} from "./a.js" with {type: "json"}',
      'import d, {e} from "./a.js!" with {type: "json"}',
    ],
    ['export * from "./a.js"', 'export * from "./a.js!"'],
    ['export {a as b} from "./a.js"', 'export {a as b} from "./a.js!"'],
    ['x = import("./a.js")', 'x = import("./a.js!")'],
    ['import( `./a.js` )', 'import( `./a.js!` )'],
    ['import("./a.js", {with: {}})', 'import("./a.js!", {with: {}})'],
    ['new URL("./a.png", import.meta.url)', 'new URL("./a.png!", import.meta.url)'],
    ['new URL(`a.png`,import.meta.url).href', 'new URL(`a.png!`,import.meta.url).href'],
    ['import.meta.resolve("./a.js")', 'import.meta.resolve("./a.js!")'],
    ["import.meta.resolve( '../a.js' )", "import.meta.resolve( '../a.js!' )"],
    ['w = new Worker("./w.js")', 'w = new Worker("./w.js!")'],
    [
      'new SharedWorker ( "./w.js", {type: "module"})',
      'new SharedWorker ( "./w.js!", {type: "module"})',
    ],
    [
      'new Worker(new URL("./w.js", import.meta.url))',
      'new Worker(new URL("./w.js!", import.meta.url))',
    ],
    ['f()\n//# sourceMappingURL=a.js.map\n', 'f()\n//# sourceMappingURL=a.js.map!\n'],
  ])('rewrites %s', (text, wanted) => {
    expect(marked(text)).toBe(wanted)
  })

  it.each([
    'import "vue"',
    'import("https://example.com/a.js")',
    'import("bare")',
    'import(x)',
    '// import "./a.js"',
    '/* import("./a.js") */',
    'x = \'import("./a.js")\'',
    'x = `import("./a.js") ${y}`',
    '/** @type {import("./a.js").A} */ f(import)',
    'x = "new Worker(\'./w.js\')"',
    '// new URL("./a.png", import.meta.url)',
    'new URL("./a.png", location)',
    'import.meta.resolve("bare")',
    'import.meta.resolve("./a" + b)',
    'x = \'import.meta.resolve("./a.js")\'',
    'new URL("./a.png", import.meta.dirname)',
    'x = `\n//# sourceMappingURL=a.map\n`',
    '/*\n//# sourceMappingURL=a.map\n*/',
    ' //# sourceMappingURL=a.map',
    '//@ sourceMappingURL=a.map',
  ])('leaves %s', text => {
    expect(marked(text)).toBe(text)
  })

  it('leaves imports to those who want no modules, but not source maps', () => {
    const text = 'import "./a.js"\n//# sourceMappingURL=a.map'
    expect(marked(text, false)).toBe('import "./a.js"\n//# sourceMappingURL=a.map!')
  })

  it('warns of what is put together at run time', () => {
    const text = '\nimport(`./lang/${l}.js`)\nnew URL(`./${x}.png`, import.meta.url)'
    expect(scanScript(text, true)).toEqual({
      references: [],
      problems: [
        { line: 2, message: '`./lang/${l}.js` is put together at run time, and was left as it is' },
        { line: 3, message: '`./${x}.png` is put together at run time, and was left as it is' },
      ],
    })
  })

  it('reports a script that does not parse', () => {
    const { references, problems } = scanScript('import "./a.js"\nx = "import(\n', true)
    expect(references).toEqual([])
    expect(problems).toEqual([
      { line: 2, message: 'the script does not parse, and was left as it is' },
    ])
  })

  it('escapes what the quotes do not allow', () => {
    const text = 'import "./a\\"b.js"; import(`./c.js`)'
    expect(rewritten(text, scanScript(text, true), () => './x"`${y}\\')).toBe(
      'import "./x\\"`${y}\\\\"; import(`./x"\\`\\${y}\\\\`)',
    )
  })

  it('tells a worker from an import: it may be relative to the page', () => {
    const [worker] = scanScript('new Worker("./w.js")', true).references
    expect(worker?.weight).toBe('optional')
  })

  it.each([
    ['parentheses', 'import(('],
    ['templates', '`${import('],
    ['workers', 'new Worker('],
    ['blanks', 'new                     import'],
    ['source maps', '//# sourceMappingURL=          \n'],
    ['metas', 'import.meta.url,"'],
  ])('ends for a million characters of %s', (_, piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length))
    expect(scanScript(text, true).problems.length).toBeLessThan(2)
  })
})
