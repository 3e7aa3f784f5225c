import { describe, expect, it } from 'vitest'
import { readConfig } from '../../workers/config.ts'

const env = { GYRE_STORE: '/tmp/store' }

describe('the settings of a worker', () => {
  it('are refused in one sentence that names the variable', () => {
    expect(() => readConfig({})).toThrow(/^setting GYRE_STORE: /)
    expect(() => readConfig({ ...env, GYRE_QUEUES: 'cpu,tpu' })).toThrow(/^setting GYRE_QUEUES\.1: /)
  })

  it('name a version to Temporal only where both parts of it are given', () => {
    expect(readConfig(env).deployment).toBeNull()
    expect(readConfig({ ...env, GYRE_DEPLOYMENT_NAME: 'gyre', GYRE_BUILD_ID: '0.3.0' }).deployment).toEqual({
      version: { deploymentName: 'gyre', buildId: '0.3.0' },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    })
    expect(() => readConfig({ ...env, GYRE_BUILD_ID: '0.3.0' })).toThrow(
      'settings GYRE_DEPLOYMENT_NAME and GYRE_BUILD_ID belong together, and one of them is missing; set both or none',
    )
  })
})
