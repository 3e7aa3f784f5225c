/** Starts an S3 server on a free loopback port and points the AWS SDK of this process to it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'

const START_MS = 30_000

export interface S3Server {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string
  /** `s3://bucket` of a new, empty bucket. */
  createBucket(name: string): Promise<string>
  stop(): Promise<void>
}

export interface S3ServerCommand {
  readonly command: string
  /** Arguments for a server that listens on the port. */
  readonly args: (port: number) => readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly accessKey: string
  readonly secretKey: string
}

export async function startS3Server({ command, args, env, accessKey, secretKey }: S3ServerCommand): Promise<S3Server> {
  const port = await freePort()
  const child = spawn(command, args(port), {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said: string[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const endWithUs = () => child.kill('SIGKILL')
  process.once('exit', endWithUs)

  const endpoint = `http://127.0.0.1:${port}`
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
  })
  await answers(endpoint, child, said)
  return {
    endpoint,
    async createBucket(name) {
      const client = new S3Client({ forcePathStyle: true })
      await client.send(new CreateBucketCommand({ Bucket: name }))
      client.destroy()
      return `s3://${name}`
    },
    async stop() {
      process.off('exit', endWithUs)
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function answers(endpoint: string, child: ChildProcess, said: readonly string[]): Promise<void> {
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(endpoint).catch(() => null)
    if (answer && answer.status < 500) return
    await delay(50)
  }
  child.kill('SIGKILL')
  throw new Error(`the S3 server did not answer on ${endpoint}: ${said.join('')}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
