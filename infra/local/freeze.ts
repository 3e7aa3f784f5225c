/**
 * Holds processes still for a moment, with all that they started, so that what they write together can be seen at one
 * moment. They notice nothing but that time has passed. Without awaits from the freeze to the thaw nothing of this
 * process comes between.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { PlatformError } from '#core/errors'

interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly state: string
}

/** A thread inside a long call to a disk stops when that returns. */
const STILL_WITHIN_MS = 2_000
/**
 * A process that is stopped between its birth and its program holds its parent up in the kernel (`vfork`), where no signal
 * reaches it: after so long all go on for a moment.
 */
const ATTEMPT_MS = 250
const PAUSE_MS = 5

/**
 * @param roots - processes of this user; what they started is held too.
 * @returns how to let all of them go on.
 * @throws {PlatformError} `STATE_IN_USE` when they do not stand still in time; they go on then.
 */
export function freeze(roots: readonly number[]): () => void {
  const deadline = Date.now() + STILL_WITHIN_MS
  for (;;) {
    const { thaw, moving } = hold(roots, Math.min(Date.now() + ATTEMPT_MS, deadline))
    if (moving.length === 0) return thaw
    thaw()
    if (Date.now() >= deadline) throw notStill(moving)
    pause()
  }
}

/** @returns who still moves when all others stand still, or when it is `until`. */
function hold(roots: readonly number[], until: number): { thaw: () => void; moving: readonly number[] } {
  const frozen = new Set<number>()
  const thaw = () => [...frozen].reverse().forEach((pid) => send(pid, 'SIGCONT'))
  try {
    for (;;) {
      const family = familyOf(roots, processTable())
      const fresh = family.filter(({ pid }) => !frozen.has(pid))
      // A process that was still running when its parent stopped may have started another: looked at again.
      for (const { pid } of fresh) {
        frozen.add(pid)
        send(pid, 'SIGSTOP')
      }
      const moving = family.filter((row) => !isStill(row)).map(({ pid }) => pid)
      if ((fresh.length === 0 && moving.length === 0) || Date.now() >= until)
        return { thaw, moving: fresh.length === 0 ? moving : fresh.map(({ pid }) => pid) }
      pause()
    }
  } catch (error) {
    thaw()
    throw error
  }
}

/** Without an await. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
}

/** One that is gone needs no signal. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

function familyOf(roots: readonly number[], rows: readonly ProcessRow[]): ProcessRow[] {
  const members = new Set(roots)
  for (let size = 0; size < members.size;) {
    size = members.size
    for (const { pid, parent } of rows) if (members.has(parent)) members.add(pid)
  }
  return rows.filter(({ pid }) => members.has(pid))
}

function processTable(): ProcessRow[] {
  return process.platform === 'linux' ? tableFromProc() : tableFromPs()
}

function tableFromProc(): ProcessRow[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    const facts = statOf(`/proc/${name}/stat`)
    return facts ? [{ pid: Number(name), ...facts }] : []
  })
}

/** Whether each of its threads stands still, or it has ended. */
function isStill({ pid, state }: ProcessRow): boolean {
  const states = process.platform === 'linux' ? threadStates(pid) : [state]
  return states.every((one) => /^[TtZX]/.test(one)) // Stopped, or ended.
}

function threadStates(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => statOf(`/proc/${pid}/task/${thread}/stat`)?.state ?? [])
  } catch {
    return []
  }
}

function statOf(file: string): { state: string; parent: number } | null {
  try {
    const stat = readFileSync(file, 'utf8')
    // The name in brackets may hold brackets and blanks: count from behind it.
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return null
  }
}

function tableFromPs(): ProcessRow[] {
  const table = execFileSync('ps', ['-axo', 'pid=,ppid=,state='], { encoding: 'utf8' })
  return table.split('\n').flatMap((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/)
    return pid && parent && state ? [{ pid: Number(pid), parent: Number(parent), state }] : []
  })
}

function notStill(pids: readonly number[]): PlatformError {
  const message = `process ${pids.join(', ')} did not stand still within ${STILL_WITHIN_MS / 1000} s; try again when the disk is less busy`
  return new PlatformError('STATE_IN_USE', message, { pids })
}
