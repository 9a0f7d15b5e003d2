/**
 * The strongly connected components of a graph, each behind those that it leads to: files in the
 * order in which they can be hashed, cycles together (Tarjan 1972, without recursion).
 */
export function strongComponents<T>(nodes: Iterable<T>, edgesOf: (node: T) => readonly T[]): T[][] {
  const search = new Search(edgesOf)
  for (const node of nodes) search.visit(node)
  return search.components
}

interface Frame<T> {
  readonly node: T
  readonly edges: readonly T[]
  next: number
}

class Search<T> {
  readonly components: T[][] = []
  readonly #edgesOf: (node: T) => readonly T[]
  readonly #order = new Map<T, number>()
  readonly #lowest = new Map<T, number>()
  readonly #open: T[] = []
  readonly #isOpen = new Set<T>()

  constructor(edgesOf: (node: T) => readonly T[]) {
    this.#edgesOf = edgesOf
  }

  visit(start: T): void {
    if (this.#order.has(start)) return
    const frames = [this.#enter(start)]
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const target = frame.edges[frame.next++]
      if (target === undefined) {
        frames.pop()
        this.#leave(frame.node, frames.at(-1)?.node)
      } else if (!this.#order.has(target)) {
        frames.push(this.#enter(target))
      } else if (this.#isOpen.has(target)) {
        this.#lower(frame.node, this.#order.get(target))
      }
    }
  }

  #enter(node: T): Frame<T> {
    this.#lowest.set(node, this.#order.size)
    this.#order.set(node, this.#order.size)
    this.#open.push(node)
    this.#isOpen.add(node)
    return { node, edges: this.#edgesOf(node), next: 0 }
  }

  #leave(node: T, parent: T | undefined): void {
    const lowest = this.#lowest.get(node)
    if (parent !== undefined) this.#lower(parent, lowest)
    if (lowest !== this.#order.get(node)) return
    const component = this.#open.splice(this.#open.lastIndexOf(node))
    for (const member of component) this.#isOpen.delete(member)
    this.components.push(component)
  }

  #lower(node: T, order: number | undefined): void {
    const before = this.#lowest.get(node) ?? 0
    if (order !== undefined && order < before) this.#lowest.set(node, order)
  }
}
