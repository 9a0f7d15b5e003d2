import { afterAll, beforeAll, describe } from 'vitest'
import { testAdapter } from '../fields/adapter-suite.ts'
import { type AdapterName, adapters } from './adapters.ts'
import { createPlace, dropPlace, kinds, labelOf, type Place } from './place.ts'

const labels: Readonly<Record<AdapterName, string>> = {
  typeorm: 'TypeORM',
  sequelize: 'Sequelize',
  mikroOrm: 'MikroORM',
  drizzle: 'Drizzle',
  prisma: 'Prisma',
}

/** What an adapter promises, on each database server. */
export function testDatabases(adapter: AdapterName): void {
  describe.each(kinds)('%s', kind => {
    let place: Place

    beforeAll(async () => {
      place = await createPlace(kind)
    })

    afterAll(async () => {
      await dropPlace(place)
    })

    testAdapter(`${labels[adapter]} on ${labelOf(kind)}`, {
      open: async fields => await adapters[adapter](place, fields, { create: true }),
    })
  })
}
