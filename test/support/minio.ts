/** MinIO as a test tool: a real S3 server that keeps conditional writes. Never shipped. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findTestBinary } from './binaries.ts'
import { startS3Server, type S3Server } from './s3-server.ts'

export const minio = findTestBinary('minio', {
  override: 'GYRE_TEST_MINIO',
  install: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
})

export async function startMinio(binary: string): Promise<S3Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gyre-minio-'))
  const server = await startS3Server({
    command: binary,
    args: (port) => ['server', folder, '--address', `127.0.0.1:${port}`, '--quiet'],
    env: {
      MINIO_ROOT_USER: 'gyretest',
      MINIO_ROOT_PASSWORD: 'gyretest-secret',
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
    },
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
