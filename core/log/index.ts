/** Structured logs (pino, JSON lines on stderr). Child loggers carry `runId` and `nodeId`; secrets never reach them. */

import { pino, type Logger as PinoLogger } from 'pino'
import { spokenIn, type Spoken } from './spoken.ts'

export { RotatingFile, type RotatingFileOptions } from './rotating-file.ts'
export { spokenIn, type LogLevel, type Spoken } from './spoken.ts'
export type Logger = PinoLogger

/**
 * @param name - the process that speaks: `worker`, `api`, `gateway`, `inference`.
 * @param onLine - hears each line, too, after what must stay hidden was hidden.
 */
export function createLogger(name: string, level: string = 'info', onLine?: (line: Spoken) => void): Logger {
  const stderr = pino.destination({ fd: 2, sync: true })
  const both = {
    write: (line: string) => {
      stderr.write(line)
      onLine?.(spokenIn(line))
    },
  }
  return pino(
    {
      name,
      level,
      redact: { paths: ['*.token', '*.password', '*.secret', '*.authorization', '*.cookie'], censor: '[hidden]' },
    },
    onLine ? both : stderr,
  )
}

/** A logger that says nothing: tests and short command-line verbs. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' })
}
