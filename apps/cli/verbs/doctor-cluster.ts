/** `gyre doctor --cluster`: whether work can go to a cluster as it is set, asked before any work does. */
import pc from 'picocolors'
import { checkCluster, type ClusterFinding } from '#adapter/compute/kubernetes/index'
import { isPlatformError } from '#core/errors'
import { openStore, probeRaces, refuseUnusableStore } from '#core/storage'
import { openClusterOf } from '../../../infra/local/index.ts'
import { checkTemporal, namesServer, temporalSettings } from '../../../infra/temporal/index.ts'
import { AnsweredFailure } from '../failure.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'

type Level = ClusterFinding['level']

interface Finding {
  readonly check: string
  readonly level: Level
  readonly sentence: string
  readonly remedy?: string
}

/** Ends with exit code 5 when something cannot be used. */
export async function doctorCluster(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const checks = [cluster(invocation), store(invocation), podAddress(invocation), temporal(invocation)]
  const findings = (await Promise.all(checks)).flat()
  invocation.answer(findings, () => findings.map(lineOf).join('\n'))
  if (findings.some(({ level }) => level === 'problem')) throw new AnsweredFailure(5)
}

const MARKS: Readonly<Record<Level, string>> = { good: pc.green('✓'), remark: pc.yellow('!'), problem: pc.red('✗') }

/** One line; what to type or to add stands below it, on lines of its own. */
function lineOf({ check, level, sentence, remedy }: Finding): string {
  const line = ` ${MARKS[level]} ${check.padEnd(12)} ${sentence}`
  return remedy === undefined ? line : `${line}\n\n${remedy.replaceAll(/^/gm, '     ')}\n`
}

async function cluster({ env, state }: Invocation): Promise<readonly Finding[]> {
  const images = [env['GYRE_IMAGE_WORKER'], env['GYRE_IMAGE_INFERENCE']].filter((image) => image !== undefined)
  const storeSecret = env['GYRE_KUBE_STORE_SECRET'] ?? 'gyre-store'
  try {
    return await checkCluster(await openClusterOf(env, state), { jobs: true, services: true, images, storeSecret })
  } catch (error) {
    return [problem('cluster', error)]
  }
}

async function store({ env }: Invocation): Promise<readonly Finding[]> {
  const uri = env['GYRE_STORE'] ?? ''
  if (!uri.startsWith('s3://')) {
    const sentence = `Pods cannot read ${uri || 'a store in the state folder'}; set GYRE_STORE to s3://bucket/prefix`
    return [{ check: 'store', level: 'problem', sentence }]
  }
  try {
    const opened = await openStore(uri, { project: env['GYRE_PROJECT'] || 'default' })
    await refuseUnusableStore(opened)
    const { keys, doubleWins } = await probeRaces(opened)
    if (doubleWins === 0)
      return [
        { check: 'store', level: 'good', sentence: `${uri} can be read and written, one winner in ${keys} races` },
      ]
    const sentence = `${uri}: two writers won in ${doubleWins} of ${keys} races; use a store whose conditional writes are atomic`
    return [{ check: 'store', level: 'problem', sentence }]
  } catch (error) {
    return [problem('store', error)]
  }
}

/** A Pod that is told an address of this machine's loopback would look for the store in itself. */
function podAddress({ env }: Invocation): Promise<readonly Finding[]> {
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']
  const isLoopback = endpoint !== undefined && /^https?:\/\/(127\.|localhost|\[::1\])/.test(endpoint)
  if (!isLoopback || env['GYRE_STORE_POD_ENDPOINT']) return Promise.resolve([])
  const sentence = `Pods cannot reach the store at ${endpoint}, unless \`gyre cluster up\` made the cluster; set GYRE_STORE_POD_ENDPOINT`
  return Promise.resolve([{ check: 'store', level: 'remark', sentence }])
}

async function temporal({ env }: Invocation): Promise<readonly Finding[]> {
  const check = 'Temporal'
  if (!namesServer(env)) return [{ check, level: 'good', sentence: 'the stack starts a server of its own' }]
  try {
    const settings = temporalSettings(env)
    const problems = await checkTemporal(settings)
    if (problems.length > 0) return problems.map((error) => problem(check, error))
    return [{ check, level: 'good', sentence: `namespace ${settings.namespace} at ${settings.address}` }]
  } catch (error) {
    return [problem(check, error)]
  }
}

function problem(check: string, error: unknown): Finding {
  if (!isPlatformError(error)) throw error
  const command = error.details['command']
  const remedy = typeof command === 'string' ? command : undefined
  return { check, level: 'problem', sentence: error.message, ...(remedy === undefined ? {} : { remedy }) }
}
