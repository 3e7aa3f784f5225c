/** What the lead of a labelling session does over HTTP, and who may. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '#core/log'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { fakeWorld, SESSION, type FakeWorld } from '../support/fake-ports.ts'

let folder: string
let world: FakeWorld
let api: Api

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-api-sessions-'))
  world = await fakeWorld({ perClass: 26 })
  const settings = { log: silentLogger(), webDir: null, uploadsDir: folder, hosts: [], version: '0.1.0' }
  api = await buildServer(world, { ...settings, temporalUi: null })
})
afterEach(async () => {
  await api.close()
  await rm(folder, { recursive: true, force: true })
})

async function call(person: string, method: 'GET' | 'POST' | 'PUT', what: string, payload?: object) {
  const headers = { authorization: `Bearer token-${person}` }
  const url = `/api/sessions/${SESSION}/${what}`
  const response = await api.inject({ method, url, headers, ...(payload && { payload }) })
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
}

describe('the lead of a session', () => {
  test('adds and removes classes, which annotators may not', async () => {
    const added = await call('ada', 'POST', 'classes', { add: 'rust' })
    expect(added.body.classes).toContain('rust')
    const removed = await call('ada', 'POST', 'classes', { remove: 'dent', into: 'scratch' })
    expect(removed.body.classes).not.toContain('dent')
    expect((await call('ann', 'POST', 'classes', { add: 'rust' })).status).toBe(403)
    for (const change of [{}, { add: '' }, { add: 'a', remove: 'b' }, { into: 'a' }])
      expect((await call('ada', 'POST', 'classes', change)).status).toBe(400)
  })

  test('writes instructions that everybody reads', async () => {
    const image = 'a'.repeat(64)
    const written = { text: '# Dents\nEven small ones.', examples: { dent: [image] } }
    expect((await call('ada', 'PUT', 'instructions', written)).body).toMatchObject({ ...written, by: 'ada' })
    expect((await call('ann', 'GET', 'instructions')).body).toMatchObject(written)
    expect((await call('ann', 'PUT', 'instructions', written)).status).toBe(403)
  })

  test('sees who did what and where people disagree', async () => {
    world.session.stats = [
      {
        ...{ annotator: 'ann', screens: 2, images: 96, misfits: 3, activeMs: 40_000, secondsPerImage: 0.4 },
        controls: { images: 1, secondsPerImage: 1.9 },
        gold: { shown: 4, missed: 1 },
        agreement: { images: 10, equal: 9 },
        lastAt: '2026-03-02T10:00:00.000Z',
      },
    ]
    expect((await call('ada', 'GET', 'people')).body).toEqual(world.session.stats)
    expect((await call('ada', 'GET', 'disagreements?count=5')).body).toEqual([])
    expect((await call('ada', 'GET', 'disagreements?after=nothing')).status).toBe(400)
  })

  test('asks for images, or for a second look at one annotator', async () => {
    const image = 'b'.repeat(64)
    expect((await call('ann', 'POST', 'requests', { images: [image], proposed: 'dent' })).status).toBe(200)
    expect(world.session.requests).toEqual([[[image], 'dent', 'ann', false]])
    expect((await call('ada', 'POST', 'requests', { annotator: 'ann', count: 10 })).status).toBe(200)
    for (const asked of [{ images: [] }, { images: ['no digest'] }, { annotator: 'ann', images: [image] }])
      expect((await call('ada', 'POST', 'requests', asked)).status).toBe(400)
  })
})

describe('an annotator', () => {
  test('takes back and gives again, and gets the marks with the screen', async () => {
    const misfits = [{ image: world.session.screens[0]!.images[3]!, class: null, why: 'new', note: 'rust' }]
    const answer = { screen: '000001', class: 'scratch', misfits, activeMs: 900, comment: 'blurred' }
    expect((await call('ann', 'POST', 'answers', answer)).status).toBe(200)
    const undone = await call('ann', 'POST', 'undo')
    expect(undone.body).toMatchObject({ screen: { id: '000001' }, answer, state: { screens: 0 } })
    expect((await call('ann', 'POST', 'redo')).body).toMatchObject({ screen: { id: '000001' }, state: { screens: 1 } })
    expect((await call('ann', 'POST', 'redo')).body.screen).toBeNull()
  })

  test('is told why, and comments', async () => {
    const image = world.session.screens[0]!.images[0]!
    expect((await call('ann', 'GET', `screens/000001/reasons?image=${image}`)).body).toMatchObject({
      predicted: 'dent',
    })
    const said = await call('ann', 'POST', 'comments', { text: ' is this rust? ', image })
    expect(said).toMatchObject({ status: 201, body: { by: 'ann', text: 'is this rust?', image, screen: null } })
    expect((await call('ada', 'GET', 'comments')).body).toEqual([said.body])
    expect((await call('ann', 'POST', 'comments', { text: ' ' })).status).toBe(400)
  })
})
