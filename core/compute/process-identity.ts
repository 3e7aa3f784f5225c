/**
 * Which process a number means, and how it is ended. The system gives pids out again, so a process is its pid and the
 * time it started at, within one boot of the machine.
 */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError } from '#core/errors'

export interface ProcessIdentity {
  readonly pid: number
  /** Opaque; equal for the same process only. */
  readonly startTime: string
}

/** @returns null when no such process runs (any more); a zombie counts as ended. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const startTime = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid)
  return startTime === null ? null : { pid, startTime }
}

let self: ProcessIdentity | null = null

export function thisProcess(): ProcessIdentity {
  self ??= identifyProcess(process.pid)
  if (!self) throw new PlatformError('INTERNAL', `the system does not tell when process ${process.pid} was started`)
  return self
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return identifyProcess(pid)?.startTime === startTime
}

/** Signals a process or, with a negative pid, a group; says whether there was one. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** Signals the group that a process leads, else the process alone; one that is gone is no error. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return // 0 and -1 would mean our own group, and everybody.
  if (!sendSignal(-pid, signal)) sendSignal(pid, signal)
}

/** SIGTERM, then SIGKILL after the grace time, to each with its group; returns when all are gone. */
export async function endProcesses(processes: readonly ProcessIdentity[], graceMs: number): Promise<void> {
  const living = () => processes.filter(isAlive)
  for (const { pid } of living()) signalGroup(pid, 'SIGTERM')
  const deadline = Date.now() + graceMs
  while (living().length > 0 && Date.now() < deadline) await delay(20)
  for (const { pid } of living()) signalGroup(pid, 'SIGKILL')
  while (living().length > 0) await delay(20)
}

function startTimeFromProc(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 2 is the name in brackets and may hold brackets and blanks: count from behind it. 3: state, 22: start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}-${fields[19]}`
  } catch {
    return null
  }
}

function startTimeFromPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}
