/** Who may call what: every route of the API with every role, so that no route can be added without a rule. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RIGHTS, ROLES, type Action, type Role } from '#core/identity'
import { silentLogger } from '#core/log'
import type { AuditEvent } from '../../apps/api/audit.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { fakeWorld, type FakeWorld } from '../support/fake-ports.ts'

/** What each route is expected to need, written down by hand. */
const EXPECTED: Readonly<Record<string, Action | 'public'>> = {
  'GET /api/health': 'public',
  'GET /api/openapi.json': 'public',
  'GET /login': 'public',
  'POST /login': 'public',
  'GET /api/me': 'view',
  'GET /api/me/settings': 'view',
  'PUT /api/me/settings': 'view',
  'POST /api/logout': 'view',
  'GET /api/pipelines': 'view',
  'POST /api/pipelines/:name/plan': 'view',
  'POST /api/pipelines/:name/runs': 'run',
  'GET /api/runs': 'view',
  'GET /api/runs/:id': 'view',
  'GET /api/runs/:id/events': 'view',
  'GET /api/runs/:id/lineage': 'view',
  'GET /api/runs/:id/compare/:with': 'view',
  'GET /api/runs/:id/steps/:node/log': 'view',
  'GET /api/blobs/:sha256': 'view',
  'GET /api/blobs/:sha256/peek': 'view',
  'POST /api/pipelines/:name/forecast': 'view',
  'POST /api/runs/:id/rerun/plan': 'view',
  'POST /api/runs/:id/rerun': 'run',
  'POST /api/runs/:id/fork/plan': 'run',
  'POST /api/runs/:id/fork': 'run',
  'POST /api/runs/:id/cancel': 'run',
  'POST /api/runs/:id/resume': 'run',
  'GET /api/triggers': 'view',
  'GET /api/pipelines/:name/triggers/:trigger/fires': 'view',
  'POST /api/pipelines/:name/triggers/:trigger/pause': 'run',
  'POST /api/pipelines/:name/triggers/:trigger/resume': 'run',
  'POST /api/pipelines/:name/triggers/:trigger/fire': 'run',
  'POST /api/pipelines/:name/triggers/:trigger/backfill': 'run',
  'POST /api/pipelines/:name/triggers/:trigger/secret': 'administer',
  // Signed; see docs/people-and-triggers.md.
  'POST /api/hooks/:name/:trigger': 'public',
  'GET /api/approvals': 'view',
  // Who is asked, the step says; who may publish, where it names nobody.
  'POST /api/runs/:id/approvals/:node': 'view',
  'POST /api/runs/:id/approvals/:node/links': 'administer',
  'GET /approve': 'public',
  'POST /approve': 'public',
  'GET /api/datasets': 'view',
  'GET /api/datasets/:name': 'view',
  'GET /api/datasets/:name/images': 'view',
  'GET /api/datasets/:name/similar': 'view',
  'POST /api/datasets/:name/similar': 'view',
  'GET /api/datasets/:name/map': 'view',
  'GET /api/datasets/:name/stream': 'run',
  'GET /api/datasets/:name/rows': 'view',
  'GET /api/datasets/:name/facets': 'view',
  'GET /api/datasets/:name/views': 'view',
  'GET /api/datasets/:name/views/:view': 'view',
  'PUT /api/datasets/:name/views/:view': 'annotate',
  'DELETE /api/datasets/:name/views/:view': 'annotate',
  'POST /api/datasets/:name/changes': 'annotate',
  'DELETE /api/datasets/:name/holds/:hold': 'administer',
  'GET /api/datasets/:name/codes': 'view',
  'GET /api/datasets/:name/diff': 'view',
  'GET /api/datasets/:name/diff/rows': 'view',
  'GET /api/datasets/:name/health': 'view',
  'GET /api/datasets/:name/holds': 'view',
  'GET /api/datasets/:name/lineage': 'view',
  'GET /api/datasets/:name/log': 'view',
  'GET /api/datasets/:name/policy': 'view',
  'GET /api/datasets/:name/refs': 'view',
  'GET /api/datasets/:name/schema': 'view',
  'GET /api/datasets/:name/trash': 'view',
  'POST /api/datasets/:name/digests': 'view',
  'POST /api/datasets/:name/health': 'run',
  'POST /api/datasets/:name/health/actions': 'annotate',
  'POST /api/datasets/:name/holds': 'publish',
  'POST /api/datasets/:name/merge': 'annotate',
  'POST /api/datasets/:name/restore': 'publish',
  'POST /api/datasets/:name/schema/migrations': 'annotate',
  'POST /api/datasets/:name/tags': 'annotate',
  'POST /api/datasets/:name/undelete': 'publish',
  'POST /api/datasets/:name/verify': 'run',
  'POST /api/gc': 'administer',
  'POST /api/images/:digest/delete': 'administer',
  'PUT /api/datasets/:name/policy': 'administer',
  'PUT /api/datasets/:name/schema': 'annotate',
  'GET /api/images/:dataset/:digest': 'view',
  'GET /api/thumbnails/:dataset/:digest': 'view',
  'GET /api/reports/:sha256': 'view',
  'GET /api/users': 'administer',
  'POST /api/users': 'administer',
  'DELETE /api/users/:name': 'administer',
  'PUT /api/users/:name/role': 'administer',
  'POST /api/users/:name/link': 'administer',
  'GET /api/users/:name/tokens': 'administer',
  'POST /api/users/:name/tokens': 'administer',
  'DELETE /api/users/:name/tokens/:id': 'administer',
  'GET /api/certificates': 'view',
  'GET /api/certificates/:id': 'view',
  'GET /api/certificates/:id/file': 'view',
  'GET /api/certificates/:id/verification': 'view',
  'POST /api/certificates/:id/revocation': 'publish',
  'GET /api/sessions': 'view',
  'GET /api/sessions/:id': 'view',
  'GET /api/sessions/:id/export': 'view',
  'GET /api/sessions/:id/screens': 'annotate',
  'POST /api/sessions/:id/answers': 'annotate',
  'POST /api/sessions/:id/undo': 'annotate',
  'POST /api/sessions/:id/redo': 'annotate',
  'GET /api/sessions/:id/screens/:screen/reasons': 'annotate',
  'GET /api/sessions/:id/people': 'view',
  'GET /api/sessions/:id/disagreements': 'view',
  'GET /api/sessions/:id/comments': 'view',
  'POST /api/sessions/:id/comments': 'annotate',
  'GET /api/sessions/:id/instructions': 'view',
  'PUT /api/sessions/:id/instructions': 'run',
  'POST /api/sessions/:id/classes': 'run',
  'POST /api/sessions/:id/requests': 'annotate',
  'POST /api/sessions/:id/stop': 'annotate',
  'GET /api/models': 'view',
  'GET /api/models/:name': 'view',
  'POST /api/models/:name/aliases': 'publish',
  'GET /api/endpoints': 'view',
  'GET /api/endpoints/:name': 'view',
  'PUT /api/endpoints/:name/traffic': 'publish',
  'POST /api/endpoints/:name/promote': 'publish',
  'POST /api/endpoints/:name/back': 'publish',
  'POST /api/endpoints/:name/revisions': 'publish',
  'DELETE /api/endpoints/:name': 'publish',
  'POST /api/endpoints/:name/predict': 'view',
  'GET /api/batches': 'view',
  'POST /api/batches': 'run',
  'GET /api/batches/:id': 'view',
  'GET /api/batches/:id/results.csv': 'view',
  'GET /api/batches/:id/results.json': 'view',
  'GET /api/batches/:id/gallery.html': 'view',
}

let uploadsDir: string
let api: Api
let world: FakeWorld
const audited: AuditEvent[] = []

beforeAll(async () => {
  uploadsDir = await mkdtemp(path.join(tmpdir(), 'gyre-access-'))
  world = await fakeWorld({ perClass: 1 })
  api = await buildServer(world, {
    log: silentLogger(),
    webDir: null,
    uploadsDir,
    hosts: [],
    version: '0.1.0',
    temporalUi: null,
    pageUrl: 'https://gyre.example',
    trustedProxies: ['loopback'],
    audit: (event) => audited.push(event),
    limits: { pollMs: 5 },
  })
})
// One of the routes logs out.
const logIn = (role: Role) => world.identity.people.set(role, { name: role, role })

afterAll(async () => {
  await api.close()
  await rm(uploadsDir, { recursive: true })
})

const PLACES = {
  name: 'nobody',
  id: 'none',
  node: 'x',
  dataset: 'none',
  digest: 'a'.repeat(64),
  sha256: 'a'.repeat(64),
}

async function statusOf(route: string, role: Role | null): Promise<number> {
  const [method = 'GET', pattern = '/'] = route.split(' ')
  const url = pattern.replaceAll(/:(\w+)/g, (_, name: keyof typeof PLACES) => PLACES[name])
  if (role !== null) logIn(role)
  const headers = role === null ? {} : { authorization: `Bearer token-${role}` }
  const answer = await api.inject({ method: method as 'GET', url, headers })
  return answer.statusCode
}

/** HEAD goes with every GET, and has its rule. */
const routes = () => [...api.rules.keys()].filter((route) => !route.startsWith('HEAD '))

describe('every route of the API', () => {
  test('has the rule that is expected of it', () => {
    expect(Object.fromEntries(routes().map((route) => [route, api.rules.get(route)]))).toEqual(EXPECTED)
  })

  test('asks for a login unless it is public', async () => {
    for (const route of routes()) {
      const isPublic = EXPECTED[route] === 'public'
      expect([route, (await statusOf(route, null)) === 401]).toEqual([route, !isPublic])
    }
  })

  test.each(ROLES)('lets a person with the role %s do what the table says and no more', async (role) => {
    for (const route of routes()) {
      const rule = EXPECTED[route]!
      const roles: readonly Role[] = rule === 'public' ? ROLES : RIGHTS[rule].roles
      const status = await statusOf(route, role)
      const refused = route === 'POST /login' ? false : status === 403
      expect([route, refused]).toEqual([route, !roles.includes(role)])
      expect([route, status]).not.toEqual([route, 401])
    }
  })
})

describe('the audit lines', () => {
  test('tell who changed what, from where, and who tried to', async () => {
    audited.length = 0
    ROLES.forEach(logIn)
    const call = (role: Role, name: string) =>
      api.inject({
        method: 'POST',
        url: '/api/users',
        headers: { authorization: `Bearer token-${role}`, 'x-forwarded-for': '10.0.0.9' },
        payload: { name, role: 'viewer' },
      })
    await call('owner', 'bo')
    await call('operator', 'me')
    await api.inject({ url: '/api/users', headers: { authorization: 'Bearer token-owner' } })
    expect(audited).toEqual([
      {
        event: 'POST /api/users',
        ...{ by: 'owner', address: '10.0.0.9', status: 201, details: { name: 'bo', role: 'viewer' } },
      },
      { event: 'POST /api/users', by: 'operator', address: '10.0.0.9', status: 403 },
    ])
  })

  test('tell logins, also those that were refused', async () => {
    audited.length = 0
    const open = (code: string) =>
      api.inject({
        method: 'POST',
        url: `/login?code=${code}`,
        headers: {
          ...{ host: 'localhost', origin: 'https://localhost', 'x-forwarded-proto': 'https' },
          'content-type': 'application/x-www-form-urlencoded',
        },
      })
    const first = await open('code-ann')
    expect(first.cookies[0]).toMatchObject({ name: '__Host-gyre', secure: true, httpOnly: true, sameSite: 'Strict' })
    expect(first.headers['strict-transport-security']).toMatch(/^max-age=\d+$/)
    await open('code-ann')
    expect(audited.map(({ event, by, status }) => [event, by, status])).toEqual([
      ['login', 'ann', 303],
      ['login', null, 401],
    ])
  })
})

describe('a link of a team server', () => {
  test('is not spent by a program that looks where it leads', async () => {
    const looked = await api.inject('/login?code=code-vic')
    expect(looked.statusCode).toBe(200)
    expect(looked.body).toContain('<form method="post">')
    expect(looked.headers['content-security-policy']).toContain("form-action 'self'")
    expect(looked.cookies).toEqual([])
  })

  test('lets nobody in by a form of another site', async () => {
    const forged = await api.inject({
      method: 'POST',
      url: '/login?code=code-vic',
      headers: { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(forged.statusCode).toBe(403)
  })
})
