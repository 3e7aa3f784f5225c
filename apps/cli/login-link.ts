/** One-time links that log a person into the pages. */
import { spawn } from 'node:child_process'
import type { ApiClient } from './api-client.ts'

interface Person {
  readonly name: string
  readonly role: string
}

/** A link for whoever calls, good for one use. */
export async function loginLink(api: ApiClient): Promise<string> {
  const { name, role } = await api.get<Person>('/api/me')
  const { link } = await api.post<{ link: string }>('/api/users', { name, role })
  return link
}

/** Opens the address where a person sits at a desktop. @returns whether something was started. */
export function openInBrowser(url: string): Promise<boolean> {
  const desktop = process.platform === 'darwin' || Boolean(process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'])
  if (!process.stdout.isTTY || !desktop) return Promise.resolve(false)
  return new Promise((resolve) => {
    const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
    const child = spawn(opener, [url], { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}
