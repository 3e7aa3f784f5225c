import { z } from 'zod'
import type { Api, RouteContext } from '../server.ts'

const key = z.string().min(1).max(12)
const few = (names: z.ZodString, most: number) =>
  z
    .record(names, key)
    .refine((entries) => Object.keys(entries).length <= most, { error: `at most ${most} keys can be set` })
const settings = z.object({ keys: few(z.string().max(40), 60), classKeys: few(z.string().max(200), 1_000) })

/** What whoever is logged in set for themselves. */
export function settingsRoutes(server: Api, { ports }: RouteContext): void {
  const config = { permission: 'view' } as const

  server.get('/api/me/settings', { config, schema: { response: { 200: settings } } }, (request) =>
    ports.settings.read(request.principal.name),
  )

  server.put(
    '/api/me/settings',
    { config, schema: { body: settings, response: { 200: settings } } },
    async (request) => {
      await ports.settings.save(request.principal.name, request.body)
      return request.body
    },
  )
}
