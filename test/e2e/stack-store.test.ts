/** A stack on a bucket: what is wrong with the store is told before anything starts. */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { s3ServersRequired } from '../support/binaries.ts'
import { gyre, StateFolders } from '../support/gyre.ts'
import { minio, startMinio } from '../support/minio.ts'
import type { S3Server } from '../support/s3-server.ts'

describe.skipIf(!minio.path && !s3ServersRequired)(`a stack on a bucket ${minio.missing}`, () => {
  const folders = new StateFolders()
  let server: S3Server
  let bucket: string
  const listRuns = (store: string, env: NodeJS.ProcessEnv = {}) => {
    const state = folders.create()
    return gyre(['run', 'list', '--json', '--state', state], { GYRE_STORE: store, ...env }).then((answer) => ({
      ...answer,
      hasStarted: existsSync(path.join(state, 'logs', 'api.log')),
    }))
  }

  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    bucket = await server.createBucket('gyre-stack')
  })
  afterAll(async () => {
    await folders.clean()
    await server?.stop()
  })

  it('starts on one that can be used', async () => {
    expect(await listRuns(bucket)).toMatchObject({ code: 0 })
  })

  it('refuses one that does not exist', async () => {
    const { code, stderr, hasStarted } = await listRuns('s3://gyre-nowhere/team')
    expect({ code, hasStarted }).toEqual({ code: 5, hasStarted: false })
    expect(stderr).toContain('the S3 server has no bucket gyre-nowhere; create it, or name another in GYRE_STORE')
  })

  it('refuses one whose key is wrong', async () => {
    const { code, stderr, hasStarted } = await listRuns(bucket, { AWS_SECRET_ACCESS_KEY: 'not-the-key' })
    expect({ code, hasStarted }).toEqual({ code: 5, hasStarted: false })
    expect(stderr).toContain('refuses the secret key')
  })
})
