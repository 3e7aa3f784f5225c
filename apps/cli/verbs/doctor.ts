/** `gyre doctor`: what this machine has of what Gyre needs, and what to do about the rest. */
import { statfs } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import pc from 'picocolors'
import { openStore, probeRaces } from '#core/storage'
import { findTemporalBinary, StateFolder } from '../../../infra/local/index.ts'
import { AnsweredFailure } from '../failure.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { table } from '../table.ts'
import { mebibytes } from '../words.ts'

interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly found: string
}

const LEAST_FREE_BYTES = 2 * 2 ** 30

export async function doctor(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const state = new StateFolder(invocation.state)
  state.prepare()
  const findings = await Promise.all([
    { check: 'Node.js', ok: true, found: process.versions.node },
    temporal(invocation),
    folder(state),
    disk(state),
    store(invocation, state),
    stack(state),
  ])
  invocation.answer(findings, () =>
    table(
      ['check', 'state', 'found'],
      findings.map(({ check, ok, found }) => [check, ok ? pc.green('ok') : pc.red('mend'), found]),
      '',
    ),
  )
  if (findings.some(({ ok }) => !ok)) throw new AnsweredFailure()
}

async function temporal({ env }: Invocation): Promise<Finding> {
  const check = 'Temporal server'
  const { checkTemporal, namesServer, temporalSettings } = await import('../../../infra/temporal/index.ts')
  if (namesServer(env)) {
    const settings = temporalSettings(env)
    const problems = await checkTemporal(settings)
    const sentences = problems.map(({ message }) => message).join('; ')
    return { check, ok: problems.length === 0, found: sentences || `yours, at ${settings.address}` }
  }
  const { path, tried } = await findTemporalBinary({ say: () => undefined, install: false, env })
  const found = path ?? `${tried.join('; ')}; the first ./gyre dev downloads or builds it`
  return { check, ok: path !== null, found }
}

function folder(state: StateFolder): Finding {
  return { check: 'state folder', ok: true, found: state.path }
}

async function disk(state: StateFolder): Promise<Finding> {
  const { bavail, bsize } = await statfs(state.path)
  const free = bavail * bsize
  return { check: 'free disk', ok: free >= LEAST_FREE_BYTES, found: mebibytes(free) }
}

/** Eight writers race for each of fifty keys: a store where two can win would lose work. */
async function store({ env }: Invocation, state: StateFolder): Promise<Finding> {
  const check = 'object store'
  const uri = env['GYRE_STORE'] || pathToFileURL(state.objects).href
  try {
    const { keys, doubleWins } = await probeRaces(await openStore(uri, { project: env['GYRE_PROJECT'] || 'default' }))
    const verdict =
      doubleWins === 0 ? `one winner in each of ${keys} races` : `two winners in ${doubleWins} of ${keys} races`
    return { check, ok: doubleWins === 0, found: `${uri}: ${verdict}` }
  } catch (error) {
    return { check, ok: false, found: `${uri}: ${(error as Error).message}` }
  }
}

function stack(state: StateFolder): Finding {
  const running = state.runningStack()
  const found = running ? `runs as process ${running.pid}: ${running.apiUrl}` : 'not running'
  return { check: 'stack', ok: true, found }
}
