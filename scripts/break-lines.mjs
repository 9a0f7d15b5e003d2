// Puts each statement and each member of a class on a line of its own. Node prints the line in
// which an uncaught error was thrown, and of a bundle without line ends that is all of it.
import { parseSync } from 'vite'

/** What holds statements or members, and where: a line end in front of one changes nothing. */
const lists = {
  Program: 'body',
  BlockStatement: 'body',
  ClassBody: 'body',
  StaticBlock: 'body',
  SwitchStatement: 'cases',
  SwitchCase: 'consequent',
}

/** The code with line ends; `path` only stands in errors. */
export function breakLines(path, code) {
  const { program, errors } = parseSync(path, code, { lang: 'js', sourceType: 'module' })
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0].message}`)
  const starts = [...new Set(startsIn(program))].sort((a, b) => a - b)
  const pieces = starts.map((start, n) => code.slice(starts[n - 1] ?? 0, start).trimEnd())
  return [...pieces, code.slice(starts.at(-1) ?? 0)].join('\n').trimStart()
}

function startsIn(node, starts = []) {
  if (Array.isArray(node)) for (const each of node) startsIn(each, starts)
  else if (typeof node?.type === 'string') {
    for (const each of node[lists[node.type]] ?? []) starts.push(each.start)
    for (const child of Object.values(node)) if (typeof child === 'object') startsIn(child, starts)
  }
  return starts
}
