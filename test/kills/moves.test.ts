import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import { FaultProxy } from '../../src/testing/fault-proxy/fault-proxy.ts'
import type { ProxyFault } from '../../src/testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { bundleProgram, type Program } from './program.ts'

let program: Program

beforeAll(async () => {
  program = await bundleProgram('mover')
})

afterAll(() => program.remove())

it('a move that dies between copy and delete leaves both files, and can be done again', async () => {
  await using server = await S3Server.start({ buckets: ['media'] })
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const options = { endpointUrl, accessKey, secretKey, bucketName: 'media', fileOverwrite: true }
  const storage = new S3Storage(options)
  await storage.save('from.txt', 'content')
  await using proxy = await FaultProxy.start({ target: endpointUrl })
  const stall: ProxyFault = { kind: 'stall', at: 'accept' }
  proxy.begin({ seed: 0, next: ({ method }) => (method === 'DELETE' ? stall : undefined) })

  const slow = { ...options, endpointUrl: proxy.endpoint }
  const child = spawn(process.execPath, [program.script, JSON.stringify(slow)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, AWS_EC2_METADATA_DISABLED: 'true' },
  })
  const ended = once(child, 'exit')
  for (let wait = 0; wait < 500 && proxy.story.length === 0; wait++) await sleep(20)
  child.kill('SIGKILL')
  expect(await ended).toEqual([null, 'SIGKILL'])

  expect((await storage.listdir(''))[1]).toEqual(['from.txt', 'to.txt'])
  expect(await (await storage.file('to.txt')).text()).toBe('content')
  expect(await storage.move('from.txt', 'to.txt')).toBe('to.txt')
  expect((await storage.listdir(''))[1]).toEqual(['to.txt'])
  expect(await (await storage.file('to.txt')).text()).toBe('content')
})
