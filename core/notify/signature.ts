/**
 * Signatures of webhooks, outgoing and incoming: `t=<unix seconds>,v1=<hex>`, where v1 is HMAC-SHA-256 over `<t>.<body>`.
 * The time is part of what is signed, so that a call that somebody recorded is worth nothing minutes later.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

export const SIGNATURE_HEADER = 'x-gyre-signature'
export const TOLERANCE_SECONDS = 300

/** @param atSeconds - unix time. */
export function signatureOf(secret: string, body: string | Uint8Array, atSeconds: number): string {
  return `t=${atSeconds},v1=${macOf(secret, body, atSeconds)}`
}

/** @returns why a signature is not good, in one clause, or null. */
export function signatureTrouble(
  header: string | undefined,
  { secret, body, nowSeconds }: { readonly secret: string; readonly body: Uint8Array; readonly nowSeconds: number },
): string | null {
  const [, time, mac] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? '') ?? []
  if (time === undefined || mac === undefined)
    return `${SIGNATURE_HEADER} is missing or not of the form t=<unix>,v1=<hex>`
  const awaySeconds = Math.abs(nowSeconds - Number(time))
  if (!timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(macOf(secret, body, Number(time)), 'hex')))
    return `${SIGNATURE_HEADER} does not belong to this body and secret`
  if (awaySeconds > TOLERANCE_SECONDS)
    return `${SIGNATURE_HEADER} is ${awaySeconds} s away from our time; ${TOLERANCE_SECONDS} s at most`
  return null
}

function macOf(secret: string, body: string | Uint8Array, atSeconds: number): string {
  return createHmac('sha256', secret).update(`${atSeconds}.`).update(body).digest('hex')
}
