/** Structured logs (pino, JSON lines on stderr). Child loggers carry `runId` and `nodeId`; secrets never reach them. */

import { pino, type Logger as PinoLogger } from 'pino'

export { RotatingFile, type RotatingFileOptions } from './rotating-file.ts'
export type Logger = PinoLogger

/** @param name - the process that speaks: `worker`, `api`, `gateway`, `inference`. */
export function createLogger(name: string, level: string = 'info'): Logger {
  return pino(
    {
      name,
      level,
      redact: { paths: ['*.token', '*.password', '*.secret', '*.authorization', '*.cookie'], censor: '[hidden]' },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}

/** A logger that says nothing: tests and short command-line verbs. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' })
}
