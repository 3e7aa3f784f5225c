import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTableSession, readParquet, writeParquet, type TableSession } from '#core/tables'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'gyre-test-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

const columns = { digest: 'text', label: 'text', tags: 'texts' } as const
const withGone = { ...columns, gone: 'boolean' } as const

async function fileOf(
  name: string,
  kind: Readonly<Record<string, 'text' | 'texts' | 'boolean'>>,
  rows: object[],
): Promise<string> {
  const file = path.join(folder, name)
  await writeParquet(file, kind as never, rows as never)
  return file
}

async function using<T>(session: TableSession, work: (session: TableSession) => Promise<T>): Promise<T> {
  return work(session).finally(() => session.close())
}

describe('a table of base and deltas', () => {
  const row = (digest: string, label: string | null, gone = false) => ({
    digest,
    label,
    tags: label ? [label] : null,
    gone,
  })

  it('shows of each digest the rows of the last delta that names it, and none where they are gone', async () => {
    const base = [
      await fileOf(
        'base-a',
        columns,
        ['a1', 'a2', 'a3'].map((digest) => row(digest, 'old')),
      ),
      await fileOf('base-b', { digest: 'text', label: 'text' }, [{ digest: 'b1', label: 'older' }]),
    ]
    const deltas = [
      await fileOf('delta-1', withGone, [row('a1', 'first'), row('a2', null, true), row('c1', 'new')]),
      await fileOf('delta-2', withGone, [row('a2', 'back'), row('c1', null, true), row('b1', 'one'), row('b1', 'two')]),
    ]
    const session = await openTableSession({ views: { labels: { base, deltas, columns } } })
    await using(session, async ({ query }) => {
      expect(await query('SELECT digest, label, tags FROM labels ORDER BY digest, label')).toEqual([
        { digest: 'a1', label: 'first', tags: ['first'] },
        { digest: 'a2', label: 'back', tags: ['back'] },
        { digest: 'a3', label: 'old', tags: ['old'] },
        { digest: 'b1', label: 'one', tags: ['one'] },
        { digest: 'b1', label: 'two', tags: ['two'] },
      ])
      expect(await query('SELECT count(*) AS n FROM labels WHERE label = $1', ['old'])).toEqual([{ n: 1 }])
    })
  })

  it('has null in columns that came after its files, and may have no files at all', async () => {
    const old = await fileOf('old', { digest: 'text' }, [{ digest: 'a1' }])
    const session = await openTableSession({
      views: { labels: { base: [old], deltas: [], columns }, boxes: { base: [], deltas: [], columns } },
    })
    await using(session, async ({ query }) => {
      expect(await query('SELECT * FROM labels')).toEqual([{ digest: 'a1', label: null, tags: null }])
      expect(await query('SELECT * FROM boxes')).toEqual([])
    })
  })

  it('that is damaged is refused', async () => {
    const file = path.join(folder, 'damaged')
    await writeFile(file, 'PAR1 but nothing else')
    await expect(openTableSession({ views: { labels: { base: [file], deltas: [], columns } } })).rejects.toMatchObject({
      code: 'OBJECT_CORRUPT',
    })
  })
})

describe('a session', () => {
  it('gives many rows a few thousand at a time, while others ask', async () => {
    const session = await openTableSession({})
    await using(session, async () => {
      const rows = Array.from({ length: 10_000 }, (_, n) => ({
        digest: `${n}`,
        label: n % 2 ? 'odd' : null,
        tags: null,
      }))
      expect(await session.load('many', columns, rows)).toBe(10_000)
      let seen = 0
      for await (const batch of session.batches<{ digest: string }>('SELECT digest FROM many')) {
        expect(batch.length).toBeLessThanOrEqual(4_096)
        expect(await session.query('SELECT count(*) AS n FROM many WHERE label IS NULL')).toEqual([{ n: 5_000 }])
        seen += batch.length
      }
      expect(seen).toBe(10_000)
    })
  })

  it('writes Parquet files into its own folder, and equal rows as equal files', async () => {
    const directory = path.join(folder, 'own')
    await mkdir(directory)
    const session = await openTableSession({ directory })
    await using(session, async ({ writeParquet: write }) => {
      const file = path.join(directory, 'rows.parquet')
      expect(await write(`SELECT 'a' AS digest, ['x'] AS tags`, file)).toBe(1)
      expect(await readParquet(file)).toEqual([{ digest: 'a', tags: ['x'] }])
    })
  })

  it('keeps what it makes in a database file, which others then read', async () => {
    const file = path.join(folder, 'made.duckdb')
    await using(await openTableSession({ file }), ({ run }) => run('CREATE TABLE kept AS SELECT 7 AS n'))
    const reading = await openTableSession({ file, readOnly: true })
    await using(reading, async (session) => {
      expect(await session.query('SELECT n FROM kept')).toEqual([{ n: 7 }])
      await expect(session.run('CREATE TABLE more AS SELECT 1')).rejects.toThrow(/read-only/)
    })
  })

  it('answers what was asked before it is closed, and nothing asked after', async () => {
    for (let round = 0; round < 40; round += 1) {
      const session = await openTableSession({})
      const asked = Array.from({ length: 4 }, () =>
        session.query<{ n: number }>('SELECT count(*)::INTEGER AS n FROM range(300000) a WHERE hash(range) % 3 <> 4'),
      )
      const read = session.batches('SELECT range AS n FROM range(100000)')[Symbol.asyncIterator]()
      const begun = read.next().catch(() => 'closed')
      session.close()
      expect(await Promise.all(asked)).toEqual(Array.from({ length: 4 }, () => [{ n: 300_000 }]))
      await begun
      await expect(session.query('SELECT 1')).rejects.toThrow(/closed/)
    }
  })

  it.each([
    ['reads no file that it was not opened with', `SELECT * FROM read_text('/etc/hostname')`],
    ['leaves its folder by no detour', `SELECT * FROM read_text('FOLDER/../secret')`],
    ['writes nowhere else', `COPY (SELECT 1) TO '/tmp/gyre-elsewhere.parquet'`],
    ['reaches no network', `SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')`],
    ['opens no other database', `ATTACH '/tmp/gyre-elsewhere.duckdb'`],
    ['loads no extension', `INSTALL httpfs`],
    ['lets nobody change its settings', `SET threads = 4`],
  ])('%s', async (_, sql) => {
    const directory = path.join(folder, 'confined')
    await mkdir(directory, { recursive: true })
    await writeFile(path.join(folder, 'secret'), 'secret')
    const session = await openTableSession({ directory })
    await using(session, async ({ query }) => {
      await expect(query(sql.replace('FOLDER', directory))).rejects.toThrow(
        /disabled by configuration|configuration has been locked|requires the extension httpfs/,
      )
    })
  })
})
