import { afterAll, beforeAll, it as test } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { large, saves } from './contents.ts'
import { playSchedules } from './stage.ts'

const buckets = ['lane-1', 'lane-2', 'lane-3', 'lane-4']

let server: S3Server

beforeAll(async () => {
  server = await S3Server.start({ buckets })
})

afterAll(() => server.close())

test('under 200 schedules of faults, save stores a file in parts or leaves the old one', async () => {
  await playSchedules(server, buckets, 'parts', stage => saves(stage, large))
}, 240_000)
