import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { JOB_PERMISSIONS, roleRules, SERVICE_PERMISSIONS } from '../../../../core/compute/kubernetes/permissions.ts'
import {
  checkCluster,
  refuseUnfitCluster,
  type ClusterFinding,
  type ClusterNeeds,
} from '../../../../core/compute/kubernetes/preflight.ts'
import { startFakeKube, type FakeKube } from '../../../support/fake-kube.ts'

const BOTH: ClusterNeeds = { jobs: true, services: true }

let fake: FakeKube

beforeEach(async () => {
  fake = await startFakeKube()
})

afterEach(() => fake.stop())

const problems = async (needs = BOTH) =>
  (await checkCluster(fake.connect(), needs)).filter(({ level }) => level === 'problem')

async function finding(check: ClusterFinding['check'], needs = BOTH): Promise<ClusterFinding | undefined> {
  return (await checkCluster(fake.connect(), needs)).find((one) => one.check === check)
}

describe('a cluster that can be used', () => {
  it('has no problem, and says what it lacks for comfort', async () => {
    const found = await checkCluster(fake.connect(), BOTH)
    expect(found.map(({ check, level }) => `${check} ${level}`)).toEqual([
      'cluster good',
      'clock good',
      'namespace good',
      'permissions good',
      'gpus remark',
      'autoscaling remark',
      'routes remark',
    ])
    expect(found[0]?.sentence).toBe(`Kubernetes v1.34.4 at ${fake.url}`)
    await refuseUnfitCluster(fake.connect(), BOTH)
  })

  it('with metrics, the Gateway API and GPUs has no remark', async () => {
    fake.groups.add('metrics.k8s.io/v1beta1').add('gateway.networking.k8s.io/v1')
    fake.put('nodes', { metadata: { name: 'a' }, status: { allocatable: { 'nvidia.com/gpu': '2' } } })
    fake.put('nodes', { metadata: { name: 'b' } })
    const found = await checkCluster(fake.connect(), BOTH)
    expect(found.filter(({ level }) => level !== 'good')).toEqual([])
    expect(found.find(({ check }) => check === 'gpus')?.sentence).toBe('2 × nvidia.com/gpu on 1 of 2 nodes')
  })

  it('whose metrics API is registered but down gets a remark', async () => {
    fake.groups.add('metrics.k8s.io/v1beta1')
    fake.fault({ path: '/apis/metrics.k8s.io/v1beta1' }, { kind: 'status', status: 503 })
    expect((await finding('autoscaling'))?.level).toBe('remark')
  })

  it('whose nodes and namespaces we may not see has no problem', async () => {
    fake.forbid('list', 'nodes')
    fake.forbid('get', 'namespaces')
    expect(await problems()).toEqual([])
    expect(await finding('gpus')).toBeUndefined()
  })
})

describe('one sentence for each problem', () => {
  it('no cluster at the address', async () => {
    const api = fake.connect()
    await fake.stop()
    const [only, ...more] = await checkCluster(api, BOTH)
    expect(more).toEqual([])
    expect(only?.sentence).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED.*; check the address in the kubeconfig, and the network$/,
    )
    await expect(refuseUnfitCluster(api, BOTH)).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE', exitCode: 5 })
  })

  it('an invalid login', async () => {
    const api = fake.connect()
    fake.token = 'changed'
    const [only, ...more] = await checkCluster(api, BOTH)
    expect(more).toEqual([])
    expect(only?.sentence).toBe(
      `${fake.url} refuses the login (Unauthorized); log in again, or mend the user in the kubeconfig`,
    )
    await expect(refuseUnfitCluster(api, BOTH)).rejects.toMatchObject({ code: 'CLUSTER_REFUSED', exitCode: 5 })
  })

  it.each(['v1.30.9', 'v1.9.0'])('a server that is too old: %s', async (version) => {
    fake.version = version
    expect((await problems()).map(({ sentence }) => sentence)).toEqual([
      `${fake.url} is Kubernetes ${version}; Gyre needs 1.31 or newer: upgrade it`,
    ])
  })

  it.each([
    [-95_000, 'the clock of the cluster is 95 s behind this machine’s'],
    [95_000, 'the clock of the cluster is 95 s ahead of this machine’s'],
  ])('clocks that are apart by %i ms', async (skew, words) => {
    fake.clockSkewMs = skew
    const [only, ...more] = await problems()
    expect(more).toEqual([])
    // The header counts whole seconds.
    expect(only?.sentence.replace(/9[456] s/, '95 s')).toBe(
      `${words}, at most 30 s are allowed: let both be set by NTP`,
    )
  })

  it('a missing namespace, with the command that makes it', async () => {
    const found = await checkCluster(fake.connect({ namespace: 'nowhere' }), BOTH)
    expect(found.at(-1)).toEqual({
      check: 'namespace',
      level: 'problem',
      sentence: 'the cluster has no namespace nowhere; create it, or set GYRE_KUBE_NAMESPACE to another',
      remedy: 'kubectl create namespace nowhere',
    })
  })

  it('missing permissions: which verbs on which resource, and the rule to add', async () => {
    fake.forbid('create', 'jobs')
    fake.forbid('delete', 'jobs')
    fake.forbid('get', 'pods/log')
    expect(await problems()).toEqual([
      {
        check: 'permissions',
        level: 'problem',
        sentence: 'gyre may not create, delete jobs.batch in namespace gyre; add this rule to its Role',
        remedy: '- apiGroups: ["batch"]\n  resources: ["jobs"]\n  verbs: ["create", "delete"]',
      },
      {
        check: 'permissions',
        level: 'problem',
        sentence: 'gyre may not get pods/log in namespace gyre; add this rule to its Role',
        remedy: '- apiGroups: [""]\n  resources: ["pods/log"]\n  verbs: ["get"]',
      },
    ])
  })

  it('no permission at all, with the whole Role', async () => {
    fake.forbid('*', '*')
    const [only, ...more] = await problems()
    expect(more).toEqual([])
    expect(only?.sentence).toMatch(/^gyre may do nothing of what Gyre needs in namespace gyre; if that is the right/)
    expect(only?.remedy).toContain('- apiGroups: ["batch"]\n  resources: ["jobs"]')
    expect(only?.remedy).toContain('resources: ["deployments"]')
    expect(only?.remedy).not.toContain('httproutes')
  })

  it('routes need a permission only where the Gateway API is installed', async () => {
    fake.forbid('create', 'httproutes')
    expect(await problems()).toEqual([])
    fake.groups.add('gateway.networking.k8s.io/v1')
    expect((await problems()).map(({ sentence }) => sentence)).toEqual([
      'gyre may not create httproutes.gateway.networking.k8s.io in namespace gyre; add this rule to its Role',
    ])
  })

  it('what does not run on the cluster needs no permission there', async () => {
    fake.forbid('create', 'jobs')
    expect(await problems({ jobs: false, services: true })).toEqual([])
  })

  it('a missing Secret, which is not made by asking', async () => {
    const needs = { ...BOTH, storeSecret: 'gyre-store' }
    expect((await problems(needs)).map(({ check }) => check)).toEqual(['secret'])
    expect(fake.list('secrets')).toEqual([])
    fake.put('secrets', { metadata: { name: 'gyre-store' } })
    expect(await problems(needs)).toEqual([])
  })

  it('an image that is on no node and that nobody can pull', async () => {
    const image = 'localhost/gyre-worker:1a2b'
    fake.put('nodes', { metadata: { name: 'a' }, status: { images: [{ names: [image] }] } })
    const images = [image, 'localhost/gyre-inference:3c4d', 'registry.example/gyre:5']
    expect(
      (await checkCluster(fake.connect(), { ...BOTH, images, patienceMs: 0 })).filter(
        ({ check }) => check === 'images',
      ),
    ).toEqual([
      { check: 'images', level: 'good', sentence: `${image} is on a node` },
      {
        check: 'images',
        level: 'problem',
        sentence:
          'localhost/gyre-inference:3c4d is on no node, and cannot be pulled from anywhere; load it into the cluster',
        remedy: 'gyre cluster up',
      },
      {
        check: 'images',
        level: 'remark',
        sentence: 'registry.example/gyre:5 is on no node yet; the first Pod pulls it',
      },
    ])
  })

  it('all of them are told at once, with what to type', async () => {
    fake.clockSkewMs = 60_000
    const refusing = refuseUnfitCluster(fake.connect({ namespace: 'nowhere' }), BOTH)
    await expect(refusing).rejects.toMatchObject({
      message: expect.stringMatching(/^the clock .*\nthe cluster has no namespace nowhere; /) as string,
      details: { command: 'kubectl create namespace nowhere' },
    })
  })

  it('a server that fails half way', async () => {
    fake.fault({ path: /selfsubjectaccessreviews$/ }, { kind: 'reset' })
    expect((await problems()).map(({ check }) => check)).toEqual(['cluster'])
  })
})

describe('permissions', () => {
  it('never allow reading Secrets', () => {
    const verbs = [...JOB_PERMISSIONS, ...SERVICE_PERMISSIONS]
      .filter(({ resources }) => resources.includes('secrets'))
      .flatMap(({ verbs }) => verbs)
    expect(verbs).not.toContain('get')
    expect(verbs).not.toContain('list')
    expect(verbs).not.toContain('watch')
  })

  it('name each resource once for each set of verbs', () => {
    const rules = roleRules([...JOB_PERMISSIONS, ...SERVICE_PERMISSIONS])
    const deeds = rules.flatMap(({ apiGroups, resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${apiGroups.join()}/${resource} ${verb}`)),
    )
    expect(new Set(deeds).size).toBe(deeds.length)
    expect(deeds).toContain('batch/jobs create')
  })
})
