/** What every service host must do: run on replica processes behind a gateway and on the twin in memory. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RevisionSpec, RevisionStatus, ServiceHost } from '#core/compute'

type Model = RevisionSpec['model']

export interface ServiceHostHarness {
  readonly host: ServiceHost
  /** Two registered models, and one whose file is damaged. */
  readonly models: { readonly first: Model; readonly second: Model; readonly unusable: Model }
  /** Sends that many requests, one after the other. @returns the revision that answered each. */
  answers(endpoint: string, count: number): Promise<readonly number[]>
  /** Looks again and again until it holds. */
  until(holds: () => Promise<boolean>): Promise<void>
  close(): Promise<void>
}

export function serviceHostContract(kind: string, open: () => Promise<ServiceHostHarness>): void {
  describe(`service host: ${kind}`, () => {
    let harness: ServiceHostHarness
    let host: ServiceHost
    let names = 0
    const spec = (changes: Partial<RevisionSpec> = {}): RevisionSpec => ({
      endpoint: `endpoint-${++names}`,
      revision: 1,
      model: harness.models.first,
      replicas: 1,
      queueLimit: 64,
      captureBytes: 0,
      captureDataset: null,
      ...changes,
    })
    const ready = ({ endpoint, revision }: RevisionSpec) =>
      harness.until(async () => {
        const mine = (await host.status(endpoint)).find((one) => one.revision === revision)
        return mine !== undefined && mine.ready === mine.wanted
      })

    beforeAll(async () => {
      harness = await open()
      host = harness.host
    })
    afterAll(() => harness?.close())

    it('brings an applied revision up, with as many replicas as asked for', async () => {
      const one = spec({ replicas: 2 })
      await host.apply(one)
      await ready(one)
      expect(await host.status(one.endpoint)).toEqual<RevisionStatus[]>([
        { revision: 1, wanted: 2, ready: 2, trouble: null, waiting: null },
      ])
    })

    it('applies the same revision twice without a second one, and refuses another under its number', async () => {
      const one = spec()
      await host.apply(one)
      await host.apply(one)
      expect(await host.status(one.endpoint)).toHaveLength(1)
      await expect(host.apply({ ...one, queueLimit: 65 })).rejects.toMatchObject({ code: 'ENDPOINT_CONFLICT' })
      await expect(host.apply({ ...one, model: harness.models.second })).rejects.toMatchObject({
        code: 'ENDPOINT_CONFLICT',
      })
    })

    it('knows nothing of an endpoint that nobody applied', async () => {
      expect(await host.status('nobody')).toEqual([])
      await expect(host.setTraffic('nobody', { 1: 100 })).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
    })

    it('refuses shares that are not whole percents of 100', async () => {
      const one = spec()
      await host.apply(one)
      for (const shares of [{ 1: 99 }, { 1: 100.5 }, { 1: 101 }, {}])
        await expect(host.setTraffic(one.endpoint, shares)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('lets requests follow the traffic from the next one on, by exact shares', async () => {
      const first = spec()
      const second = { ...first, revision: 2, model: harness.models.second }
      await host.apply(first)
      await host.apply(second)
      await ready(first)
      await ready(second)
      await host.setTraffic(first.endpoint, { 1: 100 })
      expect(new Set(await harness.answers(first.endpoint, 5))).toEqual(new Set([1]))
      await host.setTraffic(first.endpoint, { 1: 90, 2: 10 })
      const canary = (await harness.answers(first.endpoint, 100)).filter((revision) => revision === 2)
      expect(canary).toHaveLength(10)
      await host.setTraffic(first.endpoint, { 2: 100 })
      expect(new Set(await harness.answers(first.endpoint, 5))).toEqual(new Set([2]))
    })

    it('forgets a retired revision and keeps the others', async () => {
      const first = spec()
      await host.apply(first)
      await host.apply({ ...first, revision: 2 })
      await host.retire(first.endpoint, 1)
      await harness.until(async () => !(await host.status(first.endpoint)).some(({ revision }) => revision === 1))
      expect((await host.status(first.endpoint)).map(({ revision }) => revision)).toEqual([2])
    })

    it('ends an endpoint whole, and begins it again under the next number', async () => {
      const first = spec()
      await host.apply(first)
      await ready(first)
      await host.setTraffic(first.endpoint, { 1: 100 })
      await host.remove(first.endpoint)
      await host.remove(first.endpoint)
      expect(await host.status(first.endpoint)).toEqual([])
      await expect(host.setTraffic(first.endpoint, { 1: 100 })).rejects.toMatchObject({ code: 'ENDPOINT_CONFLICT' })
      const next = { ...first, revision: 2 }
      await host.apply(next)
      await ready(next)
      await host.setTraffic(first.endpoint, { 2: 100 })
      expect(await harness.answers(first.endpoint, 2)).toEqual([2, 2])
      expect((await host.status(first.endpoint)).map(({ revision }) => revision)).toEqual([2])
    })

    it('cannot end an endpoint that never was', async () => {
      await expect(host.remove('nobody')).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
    })

    it('says in a sentence why a revision cannot start', async () => {
      const one = spec({ model: harness.models.unusable })
      await host.apply(one)
      await harness.until(async () => (await host.status(one.endpoint))[0]?.trouble != null)
      const [status] = await host.status(one.endpoint)
      expect(status).toMatchObject({ ready: 0, wanted: 1 })
      expect(status!.trouble).toMatch(/\w+ \w+/)
      await host.retire(one.endpoint, 1)
    })

    it('has one address for all endpoints', async () => {
      expect(await host.url('a')).toMatch(/^http:\/\/[^/]+$/)
      expect(await host.url('b')).toBe(await host.url('a'))
    })
  })
}
