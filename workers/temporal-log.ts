import { DefaultLogger, type LogEntry } from '@temporalio/worker'
import { createLogger } from '#core/log'

/** Temporal's own words go through pino; its retry chatter while a server is away is kept down to errors. */
export function pinoForTemporal(): DefaultLogger {
  const log = createLogger('temporal')
  return new DefaultLogger('WARN', ({ level, message, meta }: LogEntry) => {
    const text = level === 'ERROR' ? 'error' : level === 'WARN' ? 'warn' : 'info'
    log[text]({ ...meta }, message)
  })
}
