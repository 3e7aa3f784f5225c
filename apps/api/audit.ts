/**
 * Who did what, kept apart from the other logs: one JSON line for each login and each call that starts, publishes or
 * administers something, refused ones included. Answers to labelling screens are in the store with their annotators.
 */

import type { FastifyInstance } from 'fastify'
import { RotatingFile, type Logger } from '#core/log'
import type { Action } from '#core/identity'

export interface AuditEvent {
  /** `POST /api/users`, or `login`. */
  readonly event: string
  /** Null where nobody is known: a login that was refused. */
  readonly by: string | null
  /** Where the call came from. */
  readonly address: string
  /** The HTTP status of the answer. */
  readonly status: number
  /** What was asked for; without secrets. */
  readonly details?: unknown
}

export type Audit = (event: AuditEvent) => void

/** Lines in a file of their own, bounded like every log. */
export function auditFile(file: string): Audit {
  const lines = new RotatingFile(file)
  return (event) => lines.write(Buffer.from(`${JSON.stringify({ at: new Date().toISOString(), ...event })}\n`))
}

/** Lines among those of the process, where there is no state folder. */
export function auditLog(log: Logger): Audit {
  return (event) => log.info({ audit: event }, event.event)
}

const AUDITED: ReadonlySet<Action | 'public'> = new Set<Action>(['run', 'code', 'publish', 'administer'])

/** Tells every call that needs more than looking and labelling, and changes something. */
export function auditCalls(server: FastifyInstance, audit: Audit): void {
  server.addHook('onResponse', (request, reply, done) => {
    const { permission, audited } = request.routeOptions.config
    if (permission && (audited || AUDITED.has(permission)) && request.method !== 'GET') {
      audit({
        event: `${request.method} ${request.url.split('?')[0]}`,
        by: request.principal?.name ?? null,
        address: request.ip,
        status: reply.statusCode,
        // Names, roles and purposes; what starts runs is in their records.
        ...(permission === 'administer' && request.body !== undefined && { details: request.body }),
      })
    }
    done()
  })
}
