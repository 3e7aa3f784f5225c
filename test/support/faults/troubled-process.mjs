/**
 * Preloaded into processes of a stack: disks that fail or take their time, and clocks that jump, as the file named in
 * GYRE_TEST_TROUBLE says at that moment: {"failShare": 0–1, "delayMs": at most, "clockShiftMs"}. Only workers are troubled.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'

const file = process.env.GYRE_TEST_TROUBLE
const isWorker = !isMainThread || /worker\.js$/.test(process.argv[1] ?? '')
if (file && isWorker) trouble(file)

function trouble(file) {
  const { readFileSync } = fs
  const none = { failShare: 0, delayMs: 0, clockShiftMs: 0 }
  let now = none
  let readAt = -Infinity
  const current = () => {
    if (performance.now() - readAt < 50) return now
    readAt = performance.now()
    try {
      now = { ...none, ...JSON.parse(readFileSync(file, 'utf8')) }
    } catch {
      // Being written at this moment.
    }
    return now
  }

  for (const name of ['link', 'open', 'readFile', 'stat', 'writeFile']) {
    const real = fs.promises[name]
    fs.promises[name] = async (target, ...rest) => {
      const { failShare, delayMs } = String(target).includes('/objects/') ? current() : none
      if (delayMs > 0) await delay(Math.random() * delayMs)
      if (Math.random() < failShare) throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO' })
      return real(target, ...rest)
    }
  }
  syncBuiltinESMExports()

  const RealDate = Date
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      if (given.length > 0) super(...given)
      else super(RealDate.now() + current().clockShiftMs)
    }
    static now() {
      return RealDate.now() + current().clockShiftMs
    }
  }
}
