// The child process of a benchmark: one engine, which does what it is told and reports its own
// CPU time and memory. Arguments: engine, origin of the server.
const [engineName, origin] = process.argv.slice(2)
const { openEngine } = await import(`./engines/${engineName}.mjs`)
const engine = await openEngine(origin)

process.on('message', async job => process.send(await perform(job)))
process.on('disconnect', () => process.exit())
process.send({ operations: Object.keys(engine) })

async function perform({ operation, calls, concurrency, argument }) {
  return calls === undefined
    ? await measured(() => engine[operation](argument), new MemoryWatch())
    : await measured(() => callMany(engine[operation], calls, concurrency))
}

/** @param memory watches besides; asking for it costs CPU time of its own */
async function measured(work, memory) {
  const wallBefore = performance.now()
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return {
    cpu: user + system,
    wall: (performance.now() - wallBefore) * 1000,
    result,
    ...memory?.stop(),
  }
}

/** `calls` calls, `concurrency` at a time; resolves to how many came back. */
async function callMany(call, calls, concurrency) {
  let started = 0
  let finished = 0
  const line = async () => {
    while (started < calls) {
      const number = started++
      await call(number)
      finished++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, line))
  return finished
}

/** Resident memory, in bytes: before, the highest seen every 10 ms, and the system's own peak. */
class MemoryWatch {
  #before = process.memoryUsage.rss()
  #highest = this.#before
  #timer = setInterval(() => {
    this.#highest = Math.max(this.#highest, process.memoryUsage.rss())
  }, 10)

  stop() {
    clearInterval(this.#timer)
    return {
      rssBefore: this.#before,
      rssHighest: this.#highest,
      rssPeak: process.resourceUsage().maxRSS * 1024,
    }
  }
}
