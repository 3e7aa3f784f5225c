import { describe, expect, it } from 'vitest'
import { jobManifest, planSecret, type ManifestOptions } from '#adapter/compute/kubernetes/job-manifest'
import type { JobSpec } from '#core/compute'

const spec: JobSpec = {
  name: 'gyre-train-0123456789abcdef',
  command: ['node', '/app/dist/job.js'],
  env: {},
  timeoutMs: 90_500,
  graceMs: 5_000,
}
const settings: ManifestOptions['settings'] = {
  images: { worker: 'registry/worker@sha256:1', inference: 'registry/inference@sha256:2' },
  storeSecret: 'gyre-store',
  podEnv: { AWS_ENDPOINT_URL_S3: 'http://s3:9000' },
  queueName: null,
}
const manifestOf = (changes: Partial<JobSpec> = {}, options: Partial<ManifestOptions> = {}) =>
  jobManifest({
    spec: { ...spec, ...changes },
    generation: 2,
    specSha256: 'digest',
    memory: null,
    settings,
    ...options,
  })
const podOf = (...given: Parameters<typeof manifestOf>) => manifestOf(...given).spec.template.spec
const containerOf = (...given: Parameters<typeof manifestOf>) => podOf(...given).containers[0]!

describe('the Job of a generation', () => {
  it('is named by it, says what it was made from, and has the same labels as its Pods', () => {
    const { metadata, spec: job } = manifestOf()
    expect(metadata).toEqual({
      name: 'gyre-train-0123456789abcdef-g2',
      annotations: { 'gyre.io/spec-sha256': 'digest' },
      labels: {
        'app.kubernetes.io/managed-by': 'gyre',
        'app.kubernetes.io/component': 'job',
        'gyre.io/job': 'gyre-train-0123456789abcdef',
        'gyre.io/generation': '2',
      },
    })
    expect(job.template.metadata.labels).toEqual(metadata.labels)
  })

  it('looks for a disruption before it looks at exit codes', () => {
    expect(manifestOf().spec.podFailurePolicy.rules.map((rule) => [rule.action, rule.onExitCodes?.values])).toEqual([
      ['Ignore', undefined],
      ['Ignore', [76]],
      ['FailJob', [75, 130, 143]],
    ])
  })

  it('runs no longer than its limit, and leaves time to store the end', () => {
    expect(manifestOf().spec).toMatchObject({
      activeDeadlineSeconds: 91,
      backoffLimit: 3,
      podReplacementPolicy: 'Failed',
    })
    expect(podOf().terminationGracePeriodSeconds).toBe(35)
  })

  it('waits for Kueue where there is one', () => {
    const { metadata, spec: job } = manifestOf({}, { settings: { ...settings, queueName: 'team-a' } })
    expect(job.suspend).toBe(true)
    expect(metadata.labels).toMatchObject({ 'kueue.x-k8s.io/queue-name': 'team-a' })
    expect(manifestOf().spec).not.toHaveProperty('suspend')
  })

  it('gives Gyre’s own image the credentials of the store, and no other image', () => {
    const env = expect.arrayContaining([{ name: 'AWS_ENDPOINT_URL_S3', value: 'http://s3:9000' }]) as unknown
    expect(containerOf()).toMatchObject({
      image: 'registry/worker@sha256:1',
      envFrom: [{ secretRef: { name: 'gyre-store' } }],
      env,
    })
    const foreign = JSON.stringify(podOf({ image: 'python:3.12' }))
    expect(foreign).toContain('python:3.12')
    expect(foreign).not.toContain('gyre-store')
    expect(foreign).not.toContain('http://s3:9000')
  })

  it('wraps the command of any image with the supervisor of the worker image', () => {
    const pod = podOf({ image: 'python:3.12', command: ['python', 'train.py'] })
    expect(pod.initContainers[0]).toMatchObject({
      image: 'registry/worker@sha256:1',
      command: ['/gyre/supervisor', 'install', '/gyre-bin'],
    })
    expect(pod.containers[0]!.command).toEqual(['/gyre-bin/supervisor', 'run', '--', 'python', 'train.py'])
  })

  it('confines what runs in it', () => {
    const pod = podOf({ image: 'python:3.12' })
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    for (const container of [...pod.initContainers, ...pod.containers])
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    expect(pod.volumes.filter((volume) => volume.emptyDir && !volume.emptyDir.sizeLimit)).toEqual([])
  })

  it('asks for half a processor where nothing else is said, and limits memory and GPUs', () => {
    expect(containerOf().resources).toEqual({ requests: { cpu: '500m' } })
    expect(containerOf({ resources: { cpu: '4', gpus: 2 } }, { memory: '1536Mi' }).resources).toEqual({
      requests: { cpu: '4', memory: '1536Mi' },
      limits: { memory: '1536Mi', 'nvidia.com/gpu': '2' },
    })
  })

  it('goes where it is told, and to nodes that are kept for GPUs when it needs one', () => {
    const placement = { nodeSelector: { zone: 'a' }, tolerations: [{ key: 'team', operator: 'Exists' as const }] }
    expect(podOf({ placement, resources: { gpus: 1 } })).toMatchObject({
      nodeSelector: { zone: 'a' },
      tolerations: [
        { key: 'team', operator: 'Exists' },
        { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
      ],
    })
    expect(podOf()).not.toHaveProperty('tolerations')
  })

  it('keeps the values of its environment in its Secret, which goes with it', () => {
    const secretSpec = { ...spec, env: { PASSWORD: 'open sesame' } }
    expect(JSON.stringify(manifestOf({ env: secretSpec.env }))).not.toContain('open sesame')
    expect(containerOf({ env: secretSpec.env }).env).toContainEqual({
      name: 'PASSWORD',
      valueFrom: { secretKeyRef: { name: 'gyre-train-0123456789abcdef-g2', key: 'env.PASSWORD' } },
    })
    const plan = {
      inputs: [],
      outputs: [],
      log: [],
      end: 'e',
      ended: 'e',
      inputDir: '/i',
      outputDir: '/o',
      graceSeconds: 5,
    }
    const secret = planSecret({ name: 'gyre-train-0123456789abcdef-g2', uid: 'u-1' }, secretSpec, plan)
    expect(secret.stringData['env.PASSWORD']).toBe('open sesame')
    expect(JSON.parse(secret.stringData['plan.json']!)).toEqual(plan)
    expect(secret.metadata).toMatchObject({
      name: 'gyre-train-0123456789abcdef-g2',
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'gyre-train-0123456789abcdef-g2', uid: 'u-1' }],
    })
  })
})
