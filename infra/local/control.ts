/**
 * How another command of the same user asks a running stack for something: one call over a socket in the state folder.
 * Whoever may write the folder may ask.
 */

import { chmodSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { json } from 'node:stream/consumers'
import { PlatformError, toPlatformError, type ErrorCode } from '#core/errors'

/** Sockets have short paths: 108 bytes on Linux, 104 on macOS. */
const LONGEST_PATH_BYTES = 100

/** @param answer - what the stack does when it is asked; its failures reach the asker. */
export async function serveControl(
  socket: string,
  answer: (question: unknown) => Promise<unknown>,
): Promise<Server | null> {
  if (Buffer.byteLength(socket) > LONGEST_PATH_BYTES) return null
  rmSync(socket, { force: true }) // Of a stack that was killed; the folder is ours.
  const server = createServer((call, response) => {
    json(call)
      .then(answer)
      .then(
        (value) => response.end(JSON.stringify({ value })),
        (error: unknown) => {
          const { code, message, details } = toPlatformError(error)
          response.end(JSON.stringify({ error: { code, message, details } }))
        },
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  chmodSync(socket, 0o600)
  return server
}

/** @throws {PlatformError} what the stack threw; `STACK_NOT_RUNNING` when it does not answer. */
export async function askStack<T>(socket: string, question: unknown): Promise<T> {
  const answer = await new Promise<{ value?: T; error?: Failure }>((resolve, reject) => {
    const call = request({ socketPath: socket, method: 'POST' }, (response) => {
      json(response).then((text) => resolve(text as { value?: T; error?: Failure }), reject)
    })
    call.once('error', reject)
    call.end(JSON.stringify(question))
  }).catch((cause: unknown) => {
    throw new PlatformError('STACK_NOT_RUNNING', `the stack does not answer at ${socket}`, { socket }, { cause })
  })
  if (answer.error) throw new PlatformError(answer.error.code, answer.error.message, answer.error.details)
  return answer.value as T
}

interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly details: Record<string, unknown>
}
