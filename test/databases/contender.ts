/** A process of a contest: opens the arena that it is told, and does what it is ordered. See `contest.ts`. */
import { FileSystemStorage } from 'stowage'
import { fieldsOn } from '../fields/harness/session.ts'
import { adapters } from './adapters.ts'
import type { Arena, Order } from './contest.ts'
import { obey } from './work.ts'

const { adapter, place, folder }: Arena = JSON.parse(process.argv[2] ?? '')
const storage = new FileSystemStorage({ location: folder, baseUrl: '/media/' })
const session = await adapters[adapter](place, fieldsOn(storage), { create: false })

process.on('message', (order: Order) => {
  obey(session, order).then(
    outcome => process.send?.(outcome),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
