/** Mail over SMTP. The address of the server holds its login, as `smtps://name:password@host`. */

import { createTransport } from 'nodemailer'

const PATIENCE_MS = 20_000

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
}

/** Sends one mail. What a server says is passed on; the address, which may hold a password, is not. */
export async function sendMail(server: string, { to, ...mail }: Mail): Promise<void> {
  const { protocol, hostname, port, username, password } = new URL(server)
  const transport = createTransport({
    host: hostname,
    port: Number(port) || (protocol === 'smtps:' ? 465 : 587),
    secure: protocol === 'smtps:',
    ...(username && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: PATIENCE_MS,
    greetingTimeout: PATIENCE_MS,
    socketTimeout: PATIENCE_MS,
  })
  try {
    await transport.sendMail({ ...mail, to: [...to] })
  } finally {
    transport.close()
  }
}
