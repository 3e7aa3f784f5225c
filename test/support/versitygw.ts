/** versitygw's folder backend: an S3 server whose conditional writes are not atomic. The race probe must catch it. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findTestBinary } from './binaries.ts'
import { startS3Server, type S3Server } from './s3-server.ts'

export const versitygw = findTestBinary('versitygw', {
  override: 'GYRE_TEST_VERSITYGW',
  install: 'github.com/versity/versitygw/cmd/versitygw@v1.7.0',
})

export async function startVersitygw(binary: string): Promise<S3Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gyre-versitygw-'))
  const objects = path.join(folder, 'objects')
  await mkdir(objects)
  const server = await startS3Server({
    command: binary,
    args: (port) => ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', objects],
    env: { ROOT_ACCESS_KEY: 'gyretest', ROOT_SECRET_KEY: 'gyretest-secret' },
    accessKey: 'gyretest',
    secretKey: 'gyretest-secret',
  })
  return {
    ...server,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
