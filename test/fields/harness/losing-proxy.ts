import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What becomes of a statement over which the connection is lost: `unsent`, it never arrives;
 * `unanswered`, it is done, and the answer is lost; `late`, it is done long after the client has heard
 * of the loss.
 */
export type Loss = 'unsent' | 'unanswered' | 'late'

export const losses: readonly Loss[] = ['unsent', 'unanswered', 'late']

interface Plan {
  readonly loss: Loss
  readonly statement: RegExp
  readonly done: () => void
}

/** How late: longer than a client needs to look at what it has lost. */
const delay = 1000

/** Stands before a database server, and loses a connection at the moment that a test asks for. */
export class LosingProxy {
  /** Of the database, through the proxy. */
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #plan: Plan | undefined

  private constructor(server: Server, database: string) {
    this.#server = server
    const url = new URL(database)
    url.port = String((server.address() as AddressInfo).port)
    this.url = url.href
  }

  static async open(url: string): Promise<LosingProxy> {
    const { hostname, port } = new URL(url)
    const server = createServer(client => {
      const database = connect(Number(port), hostname)
      proxy.#join(client, database)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new LosingProxy(server, url)
    return proxy
  }

  /**
   * Loses the connection over which the next such statement goes. The promise resolves when it will not
   * be done any more if it has not been.
   */
  async lose(statement: RegExp, loss: Loss): Promise<void> {
    await new Promise<void>(done => {
      this.#plan = { statement, loss, done }
    })
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #join(client: Socket, database: Socket): void {
    let isLost = false
    for (const socket of [client, database]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    }
    client.on('close', () => {
      if (!isLost) database.destroy()
    })
    database.on('close', () => client.destroy())
    database.on('data', answer => client.destroyed || client.write(answer))
    client.on('data', async sent => {
      const plan = this.#plan
      if (plan?.statement.test(sent.toString('latin1')) !== true) {
        database.write(sent)
        return
      }
      this.#plan = undefined
      isLost = true
      await lose(plan.loss, sent, client, database)
      plan.done()
    })
  }
}

async function lose(loss: Loss, sent: Buffer, client: Socket, database: Socket): Promise<void> {
  if (loss !== 'unanswered') client.destroy()
  if (loss === 'late') await sleep(delay)
  if (loss !== 'unsent') {
    // Whoever joined the two would hand it on.
    database.removeAllListeners('data')
    database.write(sent)
    await once(database, 'data')
  }
  client.destroy()
  database.destroy()
}
