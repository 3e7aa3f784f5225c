/**
 * Answers about the images of one version, from its catalog: how many fit a condition, the hundred from row 800,000 in
 * order of blur, what they are made of.
 *
 * The numbers of the rows that fit a condition, in their order, are worked out once and kept while there is room; a page is
 * then a slice of them and a look-up, as fast at the end as at the beginning.
 */
import { rm } from 'node:fs/promises'
import type { DatasetVersion } from '#core/steps'
import type { ImagePlace } from '#core/datasets'
import { openTableSession, type TableSession } from '#core/tables'
import { readCodes, type Codes } from './codes.ts'
import { COLUMNS } from './columns.ts'
import { readCondition } from './condition.ts'
import { readFacets, type Facet } from './facets.ts'
import { readOrder } from './order.ts'
import { Recent } from './recent.ts'

/** One image as the catalog knows it; measures are null where nobody measured. */
export interface CatalogRow {
  readonly digest: string
  readonly width: number
  readonly height: number
  readonly sizeBytes: number
  readonly format: 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif'
  readonly source: string
  readonly uri: string | null
  readonly group: string
  readonly split: 'train' | 'test'
  readonly label: string | null
  readonly tags: readonly string[] | null
  /** A canonical JSON object. */
  readonly attributes: string | null
  readonly origin: 'human' | 'inferred' | 'predicted' | 'imported' | null
  readonly humanSeen: boolean
  readonly randomDraw: boolean
  readonly excluded: string | null
  readonly boxes: number
  readonly boxClasses: readonly string[] | null
  readonly brightness: number | null
  readonly contrast: number | null
  readonly blur: number | null
  readonly entropy: number | null
  readonly colour: number | null
  readonly camera: string | null
  readonly takenAt: string | null
}

export interface PageOptions {
  /** A condition; all images where left out. */
  readonly where?: string | undefined
  /** As `readOrder` takes it; by digest where left out. */
  readonly order?: string | undefined
  /** Row number of the first one, from 0 in this order, and how many at most. */
  readonly from: number
  readonly count: number
}

export interface Page {
  /** Images that fit the condition. */
  readonly total: number
  readonly rows: readonly CatalogRow[]
}

/** Conditions throw `INVALID_INPUT` as `checkCondition` does, and `QUERY_TOO_SLOW` after half a minute. */
export interface Catalog {
  readonly version: DatasetVersion
  readonly images: number
  count(where?: string): Promise<number>
  page(options: PageOptions): Promise<Page>
  /** The next ones by digest, from the first that is larger than the one given. */
  after(options: {
    readonly where?: string | undefined
    readonly digest: string
    readonly count: number
  }): Promise<readonly CatalogRow[]>
  facets(where?: string): Promise<readonly Facet[]>
  /** Digests of the images that fit, ascending, some thousand at a time. */
  digests(where?: string): AsyncIterable<string[]>
  /** Of those that the version has, in the order given. */
  rowsOf(digests: readonly string[]): Promise<readonly CatalogRow[]>
  /** A column of few values, a byte an image. */
  codes(column: string): Promise<Codes>
  /** Of these places in the order of digests, those that there are, ascending. */
  digestsAt(rows: readonly number[]): Promise<readonly string[]>
  /** Null where the version has no such image. */
  placeOf(digest: string): Promise<ImagePlace | null>
  /** Ends when what was asked before is answered. */
  close(): Promise<void>
}

/** Room for row numbers, four bytes each: a hundred conditions on a million images, or six orders of ten million. */
const ROWS_KEPT_BYTES = 256 * 2 ** 20
const FACETS_KEPT = 50
/** For one question, whoever asks it. */
const LIMIT_MS = 30_000

/**
 * @param file - as `buildCatalog` made it.
 * @param directory - a local folder for sorting what memory does not hold; removed when the catalog is closed.
 * @param limitMs - how long one question may take.
 * @throws {PlatformError} `OBJECT_CORRUPT` when the file is no catalog.
 */
export async function readCatalog(
  file: string,
  version: DatasetVersion,
  directory: string,
  limitMs = LIMIT_MS,
): Promise<Catalog> {
  const session = await openTableSession({ file, readOnly: true, directory, threads: 2, memoryMiB: 384 })
  return new OpenCatalog(session, version, directory, limitMs)
}

class OpenCatalog implements Catalog {
  readonly images: number
  readonly #rows = new Recent<Promise<Int32Array>>(ROWS_KEPT_BYTES)
  readonly #facets = new Recent<Promise<readonly Facet[]>>(FACETS_KEPT)
  readonly #asked = new Set<Promise<unknown>>()

  constructor(
    private readonly session: TableSession,
    readonly version: DatasetVersion,
    private readonly directory: string,
    private readonly limitMs: number,
  ) {
    this.images = version.images
  }

  count(where?: string): Promise<number> {
    return this.#answer(async () => {
      const sql = await sqlOf(where)
      if (sql === null) return this.images
      const kept = this.#rows.get(keyOf(sql, null))
      if (kept) return (await kept).length
      const [row] = await this.#ask((session) =>
        session.query<{ images: number }>(`SELECT count(*) AS images FROM images WHERE ${sql}`),
      )
      return row!.images
    })
  }

  page({ where, order, from, count }: PageOptions): Promise<Page> {
    return this.#answer(async () => {
      const sql = await sqlOf(where)
      const sorting = readOrder(order)
      if (sql === null && sorting === null) {
        const rows = await this.#select(`"row" >= ${from} AND "row" < ${from + count}`, '"row"')
        return { total: this.images, rows: rows.map(plain) }
      }
      const numbers = await this.#numbers(sql, sorting)
      return { total: numbers.length, rows: await this.#numbered(numbers.subarray(from, from + count)) }
    })
  }

  after({
    where,
    digest,
    count,
  }: {
    readonly where?: string | undefined
    readonly digest: string
    readonly count: number
  }): Promise<readonly CatalogRow[]> {
    return this.#answer(async () => {
      const sql = (await sqlOf(where)) ?? 'true'
      const start = DIGEST.test(digest) ? `digest > unhex('${digest}')` : 'true'
      const rows = await this.#select(`${sql} AND ${start}`, `"row" LIMIT ${count}`)
      return rows.map(plain)
    })
  }

  facets(where?: string): Promise<readonly Facet[]> {
    return this.#answer(async () => {
      const sql = (await sqlOf(where)) ?? 'true'
      return this.#facets.getOrMake(sql, () => this.#ask((session) => readFacets(session, sql)))
    })
  }

  async *digests(where?: string): AsyncIterable<string[]> {
    const sql = (await sqlOf(where)) ?? 'true'
    const query = `SELECT lower(hex(digest)) AS digest FROM images WHERE ${sql} ORDER BY "row"`
    for await (const rows of this.session.batches<{ digest: string }>(query)) yield rows.map(({ digest }) => digest)
  }

  rowsOf(digests: readonly string[]): Promise<readonly CatalogRow[]> {
    return this.#answer(async () => {
      if (digests.length === 0) return []
      const bytes = digests.filter((digest) => DIGEST.test(digest)).map((digest) => `unhex('${digest}')`)
      if (bytes.length === 0) return []
      const numbers = await this.#ask((session) =>
        session.integers(`SELECT "row" FROM images WHERE digest IN (${bytes.join(', ')})`),
      )
      const rows = new Map((await this.#numbered(numbers)).map((row) => [row.digest, row]))
      return digests.map((digest) => rows.get(digest)).filter((row) => row !== undefined)
    })
  }

  codes(column: string): Promise<Codes> {
    return this.#answer(() => readCodes(this.session, column))
  }

  digestsAt(rows: readonly number[]): Promise<readonly string[]> {
    return this.#answer(async () => {
      const numbers = rows.filter((row) => Number.isInteger(row))
      if (numbers.length === 0) return []
      const found = await this.session.query<{ digest: string }>(
        `SELECT lower(hex(digest)) AS digest FROM images WHERE "row" IN (${numbers.join(', ')}) ORDER BY "row"`,
      )
      return found.map(({ digest }) => digest)
    })
  }

  placeOf(digest: string): Promise<ImagePlace | null> {
    return this.#answer(async () => {
      if (!DIGEST.test(digest)) return null
      const [place] = await this.#ask((session) =>
        session.query<Omit<ImagePlace, 'digest'>>(
          `SELECT pack, "offset", "sizeBytes", uri, etag FROM images WHERE digest = unhex('${digest}')`,
        ),
      )
      return place ? { digest, ...place } : null
    })
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#asked)
    this.session.close()
    await rm(this.directory, { recursive: true, force: true })
  }

  /** Row numbers of the images that fit, in their order. */
  #numbers(where: string | null, order: string | null): Promise<Int32Array> {
    return this.#rows.getOrMake(
      keyOf(where, order),
      () =>
        this.#ask((session) =>
          session.integers(`SELECT "row" FROM images WHERE ${where ?? 'true'} ORDER BY ${order ?? '"row"'}`),
        ),
      (numbers) => numbers.byteLength,
    )
  }

  /** The rows of these numbers, in this order: found by the index, since they may lie anywhere. */
  async #numbered(numbers: Int32Array): Promise<CatalogRow[]> {
    if (numbers.length === 0) return []
    const found = await this.#select(`"row" IN (${numbers.join(', ')})`)
    const byNumber = new Map(found.map((row) => [row.row, row]))
    return Array.from(numbers, (number) => plain(byNumber.get(number)!))
  }

  #select(where: string, order?: string): Promise<NumberedRow[]> {
    const sql = `SELECT "row", ${SHOWN} FROM images WHERE ${where}${order ? ` ORDER BY ${order}` : ''}`
    return this.#ask((session) => session.query<NumberedRow>(sql))
  }

  #ask<T>(ask: (session: Pick<TableSession, 'query' | 'integers'>) => Promise<T>): Promise<T> {
    return this.session.within(this.limitMs, ask)
  }

  #answer<T>(work: () => Promise<T>): Promise<T> {
    const answer = work()
    this.#asked.add(answer)
    const done = (): boolean => this.#asked.delete(answer)
    answer.then(done, done)
    return answer
  }
}

type NumberedRow = CatalogRow & { readonly row: number }

const DIGEST = /^[0-9a-f]{64}$/
const SHOWN = ['attributes', ...COLUMNS.map(({ name, sql }) => `${sql} AS "${name}"`)].join(', ')

function plain({ row: _, ...shown }: NumberedRow): CatalogRow {
  return shown
}

async function sqlOf(where: string | undefined): Promise<string | null> {
  return where === undefined || where.trim() === '' ? null : (await readCondition(where)).sql
}

function keyOf(where: string | null, order: string | null): string {
  return JSON.stringify([where, order])
}
