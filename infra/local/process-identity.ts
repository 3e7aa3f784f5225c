/**
 * Tells processes apart beyond their numbers, which the system gives out again: a process is its pid and its start time.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

export interface ProcessIdentity {
  readonly pid: number
  /** Opaque; equal for the same process only. */
  readonly startTime: string
}

/** @returns null when no such process runs; a zombie counts as ended. */
export function startTimeOf(pid: number): string | null {
  return process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid)
}

function startTimeFromProc(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in brackets, which may hold anything; the state is field 3, the start field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}-${fields[19]}`
  } catch {
    return null
  }
}

function startTimeFromPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? 'unknown' }
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime
}

/** Sends a signal to the group that a process leads, else to the process alone; one that is gone is no error. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return // 0 and -1 would mean our own group, and everybody.
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal)
      return
    } catch {
      // It leads no group, or is gone.
    }
  }
}

/** SIGTERM, then SIGKILL after the grace time; returns when all are gone. */
export async function endProcesses(processes: readonly ProcessIdentity[], graceMs: number): Promise<void> {
  const living = () => processes.filter(isAlive)
  for (const { pid } of living()) signalGroup(pid, 'SIGTERM')
  const deadline = Date.now() + graceMs
  while (living().length > 0 && Date.now() < deadline) await delay(20)
  for (const { pid } of living()) signalGroup(pid, 'SIGKILL')
  while (living().length > 0) await delay(20)
}
