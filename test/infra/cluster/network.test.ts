import { describe, expect, it } from 'vitest'
import { chooseNet } from '../../../infra/local/cluster/network.ts'

/** The kernel's table: addresses in hexadecimal, lowest byte first. */
function table(...routes: readonly (readonly [destination: string, mask: string])[]): string {
  const lines = routes.map(([destination, mask]) =>
    ['eth0', destination, '00000000', '0001', '0', '0', '0', mask, '0', '0', '0'].join('\t'),
  )
  return ['Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT', ...lines, ''].join('\n')
}

const choose = (former: string | undefined, routes: string) => chooseNet(former, () => true, routes)

const DEFAULT = ['00000000', '00000000'] as const
/** 10.213.7.0/24 */
const INSIDE = ['0007D50A', '00FFFFFF'] as const
/** 10.0.0.0/8, as a company's network has it. */
const AROUND = ['0000000A', '000000FF'] as const

describe('the net of a cluster', () => {
  it('is the first, where only the default route leads there', () => {
    expect(choose(undefined, table(DEFAULT))).toBe('10.213')
  })

  it('is the next, where a route leads into it', () => {
    expect(choose(undefined, table(DEFAULT, INSIDE))).toBe('10.214')
  })

  it('is the next, where another node takes the first this moment', () => {
    expect(chooseNet(undefined, (net) => net !== '10.213', table(DEFAULT))).toBe('10.214')
  })

  it('lies elsewhere, where a route covers all of 10.0.0.0/8', () => {
    expect(choose(undefined, table(DEFAULT, AROUND))).toBe('198.18')
  })

  it('is that of last time, unless it is taken now', () => {
    expect(choose('10.220', table(DEFAULT, INSIDE))).toBe('10.220')
    expect(choose('10.213', table(DEFAULT, INSIDE))).toBe('10.214')
  })

  it('is refused in one sentence, where every candidate is taken', () => {
    /** 198.18.0.0/15 */
    const tests = ['000012C6', '0000FEFF'] as const
    expect(() => choose(undefined, table(AROUND, tests))).toThrow(
      expect.objectContaining({
        code: 'CLUSTER_UNSUPPORTED',
        message:
          'this machine has routes to all of 10.213.0.0/16 … 198.19.0.0/16, none is left for a cluster; remove one',
      }) as Error,
    )
  })
})
