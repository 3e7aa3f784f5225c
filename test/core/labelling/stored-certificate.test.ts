import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commitLabels, openVersion } from '#core/datasets'
import { createSigningKey, openSigningKey } from '#core/identity'
import {
  carriedTo,
  findCertificate,
  listCertificates,
  readPlaces,
  requireCertificate,
  revokeCertificate,
  revokeForDrift,
  standingOf,
  verifyStored,
  type CertificateReport,
} from '#core/labelling'
import type { annotate, StepOutput } from '#core/steps'
import { createMemoryStore, putBlob, readBlob, type ObjectStore } from '#core/storage'
import { carry } from '../../../core/labelling/bounds.ts'
import { signedBytes } from '../../../core/labelling/certificate.ts'
import { lookLine, NextPlace } from '../../../core/labelling/line.ts'
import { openSessionRecord, readOutcome, recordOutcome, sessionRecord } from '../../../core/labelling/records.ts'
import type { Round } from '../../../core/labelling/rounds.ts'
import type { Answer } from '../../../core/labelling/types.ts'
import { makeBlobs } from './blobs.ts'
import { altering, certifiedSession, copyOf } from './certified-session.ts'

const blobs = makeBlobs({ images: 240, classes: 3, spread: 0.06, seed: 4 })
const SESSION = 'run-1'
const pem = createSigningKey()
let folder: string
let store: ObjectStore
let output: StepOutput<typeof annotate>
let report: CertificateReport

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-certificate-'))
  store = createMemoryStore()
  output = await certifiedSession(store, blobs, { session: SESSION, folder, signingKey: pem })
  report = JSON.parse(Buffer.from(await readBlob(store, output.certificate!.report)).toString()) as CertificateReport
}, 60_000)
afterAll(() => rm(folder, { recursive: true }))

const id = (): string => output.certificate!.report.sha256
const auditRound = (): string => String(report.looks.at(-1)!.round).padStart(6, '0')

const isEvent = (key: string): boolean => key.startsWith(`annotations/${SESSION}/log/`)
const screenIn = (bytes: Uint8Array): string => (JSON.parse(Buffer.from(bytes).toString()) as Answer).screen

/** Alters the answers that are wanted. */
function answers(wanted: (answer: Answer) => boolean, alter: (answer: Answer) => Answer) {
  return altering(new RegExp(`^annotations/${SESSION}/log/`), (answer: Answer) =>
    wanted(answer) ? alter(answer) : answer,
  )
}

const firstAnswerSlower = answers(
  ({ screen }) => screen === '000001',
  (answer) => ({ ...answer, activeMs: 1 }),
)

async function troublesOf(copy: ObjectStore): Promise<string> {
  return (await verifyStored(copy, SESSION)).troubles.join('\n')
}

/** Labels of `count` certified images changed to another class, in a new version of the line. */
async function relabelled(at: ObjectStore, count: number): Promise<string> {
  const rows = await (await openVersion(at, output.version)).labels()
  const other = (label: string | null): string => report.classes!.find((name) => name !== label)!
  const changed = rows.slice(0, count).map((row) => ({ ...row, label: other(row.label) }))
  return (await commitLabels(at, output.version, changed, { by: 'ada', note: 'second thoughts' })).version
}

describe('a certificate in the store', () => {
  it('names its version, is signed, and agrees with the answers', async () => {
    const { certificate, signature, troubles } = await verifyStored(store, SESSION)
    expect(troubles).toEqual([])
    expect(certificate).toMatchObject({ id: id(), dataset: 'blobs', version: output.version.version })
    expect(signature).toEqual({ state: 'valid', fingerprint: openSigningKey(pem).fingerprint })
    expect(report).toMatchObject({
      format: 2,
      task: 'single',
      labelled: 240,
      since: { changed: [], removed: [], added: [] },
    })
    expect(report.looks.at(-1)).toMatchObject({ look: 1, place: 1, adjudicated: { disputes: 0 } })
    for (const { atLeast, jointly } of report.looks.at(-1)!.perClass) expect(jointly).toBeLessThanOrEqual(atLeast)
  })

  it('is found by its id, by the beginning of it, by session and by dataset', async () => {
    for (const name of [id(), id().slice(0, 8), SESSION, 'blobs'])
      expect((await findCertificate(store, name)).id).toBe(id())
    await expect(findCertificate(store, 'nobody')).rejects.toMatchObject({ code: 'CERTIFICATE_NOT_FOUND' })
  })

  it('verifies as a file too, against the key that its reader expects', async () => {
    const bytes = await readBlob(store, output.certificate!.report)
    const { fingerprint } = openSigningKey(pem)
    expect((await verifyStored(store, bytes, { fingerprint })).troubles).toEqual([])
    const other = openSigningKey(createSigningKey()).fingerprint
    expect((await verifyStored(store, bytes, { fingerprint: other })).signature.state).toBe('foreign')
  })

  it('does not hold when an answer of the audit was changed, or is missing', async () => {
    const audit = await auditScreen()
    const changed = answers(
      ({ screen }) => screen === audit,
      (answer) => ({ ...answer, misfits: [] }),
    )
    expect(await troublesOf(await copyOf(store, changed))).toMatch(
      /events are not those of the certificate: some were altered/,
    )
    const lost = await copyOf(store, (key, bytes) => (isEvent(key) && screenIn(bytes) === audit ? null : bytes))
    expect(await troublesOf(lost)).toMatch(/screens of the audit without an answer: /)
  })

  it('does not hold when any other answer was changed', async () => {
    const copy = await copyOf(store, firstAnswerSlower)
    expect(await troublesOf(copy)).toBe("the session's events are not those of the certificate: some were altered")
  })

  it('does not hold when its round was changed: gold that is no misfit, a sample that was not drawn', async () => {
    const rounds = new RegExp(`^annotations/${SESSION}/rounds/${auditRound()}`)
    const asGold = altering(rounds, (round: Round) => ({
      ...round,
      screens: round.screens.map((screen) => ({ ...screen, gold: screen.images })),
    }))
    expect(await troublesOf(await copyOf(store, asGold))).toMatch(/gold misfits that are none/)
    const unshown = altering(rounds, (round: Round) => ({ ...round, screens: round.screens.slice(1) }))
    expect(await troublesOf(await copyOf(store, unshown))).toMatch(/sampled images that were not shown exactly once/)
  })

  it('does not hold when it says more than its evidence, and its signature says so too', async () => {
    const more = Buffer.from(JSON.stringify({ ...report, atLeast: 0.999 }))
    const { signature, troubles } = await verifyStored(store, more)
    expect(signature.state).toBe('invalid')
    expect(troubles.join('\n')).toMatch(/right labels at least: stated 0.999, computed 0.9/)
  })

  it('is not believed when somebody else signed it', async () => {
    const { signature: _, ...statement } = report
    const thief = openSigningKey(createSigningKey())
    const forged = Buffer.from(JSON.stringify({ ...statement, signature: thief.sign(signedBytes(statement)) }))
    const { signature, troubles } = await verifyStored(store, forged)
    expect(signature).toEqual({ state: 'foreign', fingerprint: thief.fingerprint })
    expect(troubles).toEqual([`the signature is of key ${thief.fingerprint}, which is not a key of this installation`])
  })

  it('does not hold when its bytes were altered in their place', async () => {
    const copy = await copyOf(
      store,
      altering(/\/issued\//, (value: CertificateReport) => ({ ...value, atLeast: 1 })),
    )
    await expect(verifyStored(copy, SESSION)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  })

  it('does not hold when another session has its place on the line', async () => {
    const copy = await copyOf(
      store,
      altering(/\/looks\//, (place: object) => ({ ...place, session: 'run-2' })),
    )
    expect(await troublesOf(copy)).toBe(
      'place 1 on the line of blobs belongs to look 1 of session run-2, not to look 1 of this session',
    )
  })

  it('without a key is unsigned, and holds', async () => {
    const own = createMemoryStore()
    await certifiedSession(own, blobs, { session: SESSION, folder })
    const { signature, troubles } = await verifyStored(own, SESSION)
    expect(signature).toEqual({ state: 'unsigned', fingerprint: null })
    expect(troubles).toEqual([])
  }, 60_000)

  it('of an earlier release is unsigned, and holds', async () => {
    const earlier = await asEarlierRelease(store)
    const { certificate, signature, troubles } = await verifyStored(earlier, 'blobs')
    expect(certificate.report).not.toHaveProperty('format')
    expect(signature.state).toBe('unsigned')
    expect(troubles).toEqual([])
    expect(await standingOf(earlier, certificate)).toMatchObject({ state: 'stands' })
  })
})

describe('what a certificate is worth later', () => {
  it('stands for its own version, and lower for one with a few other labels: each may be wrong', async () => {
    const copy = await copyOf(store)
    const certificate = await findCertificate(copy, 'blobs')
    const wrong = Math.round((1 - report.atLeast) * 240)
    const carried = await carriedTo(copy, certificate, await relabelled(copy, 3))
    expect(carried).toMatchObject({ changed: 3, added: 0, removed: 0, labelled: 240 })
    expect(carried.atLeast).toBeCloseTo(1 - (wrong + 3) / 240, 12)
    expect((await carriedTo(copy, certificate, output.version.version)).atLeast).toBe(report.atLeast)
  })

  it('is revoked by relabelling once the bound falls below its target', async () => {
    const slack = Math.floor((1 - report.target) * 240 + 1e-9) - Math.round((1 - report.atLeast) * 240)
    for (const [count, state] of [
      [slack, 'stands'],
      [slack + 1, 'revoked'],
    ] as const) {
      const copy = await copyOf(store)
      await relabelled(copy, count)
      const standing = await standingOf(copy, await findCertificate(copy, 'blobs'))
      expect(standing.state).toBe(state)
      if (state === 'revoked') expect(standing.why).toMatch(/^\d+ of its labels were changed/)
    }
  })

  it('is revoked by a person once, for good', async () => {
    const copy = await copyOf(store)
    const certificate = await findCertificate(copy, 'blobs')
    await revokeCertificate(copy, certificate, { by: 'ada', cause: 'person', reason: 'dents were misunderstood' })
    await revokeCertificate(copy, certificate, { by: 'bob', cause: 'person', reason: 'again' })
    const { state, why } = await standingOf(copy, certificate)
    expect(state).toBe('revoked')
    expect(why).toMatch(/^revoked by ada on .*: dents were misunderstood$/)
  })

  it('is revoked by drift from its version, and not by drift from another', async () => {
    const copy = await copyOf(store)
    const drift = { by: 'run look', reason: 'brightness fell' }
    const unlabelled = (await sessionRecord(copy, SESSION)).version
    expect(await revokeForDrift(copy, { dataset: 'blobs', version: unlabelled }, drift)).toEqual([])
    expect(await revokeForDrift(copy, output.version, drift)).toEqual([id()])
    expect(await revokeForDrift(copy, output.version, drift)).toEqual([])
    expect((await standingOf(copy, await findCertificate(copy, 'blobs'))).why).toMatch(/brightness fell/)
  })

  it('is revoked when a later session of the line asked for other classes', async () => {
    const copy = await copyOf(store)
    const record = { ...(await sessionRecord(copy, SESSION)), id: 'run-2', openedAt: '2999-01-01T00:00:00.000Z' }
    await openSessionRecord(copy, record)
    const outcome = (await readOutcome(copy, SESSION))!
    const state = { ...outcome.state, classes: [...report.classes!, 'scratch'] }
    await recordOutcome(copy, 'run-2', { ...outcome, output: { ...outcome.output, certificate: null }, state })
    const standing = await standingOf(copy, await findCertificate(copy, SESSION))
    expect(standing).toMatchObject({ state: 'revoked', why: expect.stringContaining('with "scratch"') })
  })

  it('lets a training go on that asks for no more than it promises, as long as it stands', async () => {
    const copy = await copyOf(store)
    await requireCertificate(copy, output.version, report.atLeast)
    const refused = (atLeast: number) =>
      expect(requireCertificate(copy, output.version, atLeast)).rejects.toMatchObject({ code: 'CERTIFICATE_REQUIRED' })
    await refused(0.999)
    await revokeCertificate(copy, await findCertificate(copy, 'blobs'), { by: 'ada', cause: 'person', reason: 'no' })
    await refused(0.5)
  })

  it('keeps a training from labels whose certificate was tampered with, and from those without one', async () => {
    const tampered = await copyOf(store, firstAnswerSlower)
    await expect(requireCertificate(tampered, output.version, 0.9)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
    const none = await copyOf(store, (key, bytes) => (/^(certificates|sessions)\//.test(key) ? null : bytes))
    expect(await listCertificates(none)).toEqual([])
    await expect(requireCertificate(none, output.version, 0.9)).rejects.toMatchObject({ code: 'CERTIFICATE_REQUIRED' })
  })

  it('what is carried to changed labels never falls short of the truth', () => {
    const count = fc.nat({ max: 40 })
    fc.assert(
      fc.property(
        fc.nat({ max: 200 }),
        fc.float({ min: 0, max: 1, noNaN: true }),
        count,
        count,
        count,
        fc.nat(),
        (n, share, c, r, added, luck) => {
          const removed = Math.min(r, n)
          const changed = Math.min(c, n - removed)
          const wrong = Math.floor(share * n)
          // The worst case and any other: of the wrong ones some are removed, some changed; of the changed and added some are wrong.
          const wrongRemoved = luck % (Math.min(removed, wrong) + 1)
          const wrongChanged = luck % (Math.min(changed, wrong - wrongRemoved) + 1)
          const after = wrong - wrongRemoved - wrongChanged + (luck % (changed + 1)) + (luck % (added + 1))
          const carried = carry({ labelled: n, wrongAtMost: wrong }, { changed, added, removed })
          expect(carried.labelled).toBe(n - removed + added)
          expect(carried.wrongAtMost).toBeGreaterThanOrEqual(Math.min(after, carried.labelled))
        },
      ),
    )
  })
})

describe('the looks of a dataset line', () => {
  it('take one place each, also when sessions begin theirs at the same time', async () => {
    const own = createMemoryStore()
    const lines = Array.from({ length: 8 }, (_, i) => lookLine(own, 'parts', `run-${i}`))
    const places = await Promise.all(lines.map((line) => line.take(1)))
    expect([...places].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(await lines[3]!.take(1)).toBe(places[3])
    expect(await lookLine(own, 'parts', 'run-3').expected(1)).toBe(places[3])
    expect(await lines[3]!.expected(2)).toBe(9)
    expect(await lookLine(own, 'other', 'run-3').expected(1)).toBe(1)
  })

  it('a look that lost its place to another is planned anew', async () => {
    const own = createMemoryStore()
    const next = new NextPlace(lookLine(own, 'parts', 'run-1'))
    await next.expect(1)
    await lookLine(own, 'parts', 'run-2').take(1)
    expect(await next.take(1)).toBe(false)
    expect(next.place).toBe(2)
    await next.expect(1)
    expect(await next.take(1)).toBe(true)
  })

  it('looks of earlier releases have the first places', async () => {
    const earlier = await asEarlierRelease(store)
    expect(await lookLine(earlier, 'blobs', 'run-2').take(1)).toBe(2)
    expect(await readPlaces(earlier, 'blobs')).toMatchObject([
      { place: 1, session: SESSION, look: 1, own: true },
      { place: 2, session: 'run-2', look: 1 },
    ])
  })
})

async function auditScreen(): Promise<string> {
  const key = `annotations/${SESSION}/rounds/${auditRound()}.json` as const
  const round = JSON.parse(Buffer.from(await store.get(key)).toString()) as Round
  return round.screens.find(({ gold }) => gold.length > 0)!.id
}

/** What a release that knew no signatures, places and versions left of the same session. */
async function asEarlierRelease(from: ObjectStore): Promise<ObjectStore> {
  const copy = await copyOf(from, (key, bytes) => {
    if (key.startsWith('certificates/') || key.startsWith('identity/') || key.includes('/outcome.json')) return null
    return altering(/\/rounds\//, (round: Round) => {
      const { place: _, ...audit } = round.audit ?? ({} as NonNullable<Round['audit']>)
      return { ...round, ...(round.audit && { audit }) }
    })(key, bytes)
  })
  const { kind, session, confidence, target, atLeast, labelled, excluded } = report
  const looks = report.looks.map(({ place: _, adjudicated: __, perClass, ...look }) => ({
    ...look,
    perClass: perClass.map(({ jointly: ___, ...bound }) => bound),
  }))
  const old = { kind, session, confidence, target, atLeast, labelled, excluded, looks }
  const outcome = (await readOutcome(from, SESSION))!
  const certificate = { ...outcome.output.certificate!, report: await putBlob(copy, Buffer.from(JSON.stringify(old))) }
  await recordOutcome(copy, SESSION, { ...outcome, output: { ...outcome.output, certificate } })
  return copy
}
