/** Puts an intake into a dataset: groups near duplicates, settles splits, and publishes one change. */
import {
  commit,
  factColumns,
  openTables,
  readLatest,
  readManifest,
  type DatasetRules,
  type ImageFacts,
  type LabelSchema,
  type Manifest,
  type Split,
} from '#core/datasets'
import { isPlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import type { Bounds } from './families.ts'
import { gather, type Gathering } from './gathering.ts'
import { decodeGreys, type Intake } from './intake.ts'
import { groupNearDuplicates, type Grouping, type Likeness, type Look, type StandingLook } from './near-duplicates.ts'
import { settleSplits, type StandingSplit, type WishedSplit } from './splits.ts'

export interface Addition {
  readonly intake: Intake
  readonly labels: 'none' | 'folders'
  readonly schema?: LabelSchema
  /** Hold where the dataset is new; an older dataset keeps its own. */
  readonly rules: DatasetRules
  /** How large groups of look-alikes may be. */
  readonly bounds?: Bounds
}

export interface AdditionOptions {
  readonly by: string
  readonly note: string
  readonly directory: string
  readonly signal: AbortSignal
  say(note: string): void
}

export interface Added {
  readonly version: DatasetVersion
  readonly rules: DatasetRules
  /** Images that the dataset did not hold before. */
  readonly added: number
  /** Held-out images that went to the training split because a new image joins them with one there. */
  readonly leftTest: readonly string[]
  readonly likenesses: readonly Likeness[]
}

/** @param use - gets the gathered tables while they are open, once the version is published. */
export async function addIntake<T>(
  store: ObjectStore,
  dataset: string,
  addition: Addition,
  options: AdditionOptions,
  use: (added: Added, gathering: Gathering) => Promise<T>,
): Promise<T> {
  const gathering = await gather(addition.intake, addition.labels, options.directory)
  try {
    for (;;)
      try {
        return await use(await addOnce(store, dataset, { ...addition, gathering }, options), gathering)
      } catch (error) {
        options.signal.throwIfAborted()
        // Somebody else moved the dataset on: look-alikes among their images and ours are to be found first.
        if (!isPlatformError(error) || error.code !== 'POINTER_MOVED') throw error
      }
  } finally {
    gathering.session.close()
  }
}

async function addOnce(
  store: ObjectStore,
  dataset: string,
  addition: Addition & { readonly gathering: Gathering },
  options: AdditionOptions,
): Promise<Added> {
  const latest = await readLatest(store, dataset)
  const base = latest ? await readManifest(store, dataset, latest.value.version) : null
  const standing = base ? await standingRows(store, base, options.directory) : []
  const plan = await plannedPlaces(store, base, standing, addition, options)
  options.say('writing the version')
  const { version } = await commit(
    store,
    { dataset, version: base?.version ?? null },
    (session) => fill(session, plan),
    {
      by: options.by,
      note: options.note,
      whenMoved: 'fail',
      rules: plan.rules,
      scratchDir: options.directory,
      views: addition.gathering.views,
      ...schemaFor(base, addition.schema),
    },
  )
  const { rules, fresh, leftTest, likenesses } = plan
  return { version, rules, added: fresh.length, leftTest, likenesses }
}

/** A dataset keeps what it has said of its labels; a source adds what is new. */
function schemaFor(base: Manifest | null, schema: LabelSchema | undefined): { schema?: LabelSchema } {
  if (!schema) return {}
  const held = base?.schema
  if (!held) return { schema }
  const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])]
  return {
    schema: {
      task: held.task,
      classes: union(held.classes, schema.classes),
      boxes: held.boxes || schema.boxes ? union(held.boxes ?? [], schema.boxes ?? []) : null,
      attributes: { ...schema.attributes, ...held.attributes },
    },
  }
}

interface StandingRow extends StandingLook, StandingSplit {}

async function standingRows(store: ObjectStore, base: Manifest, directory: string): Promise<StandingRow[]> {
  const tables = await openTables(store, base, { scratchDir: directory })
  try {
    return await tables.query<StandingRow>(
      'SELECT digest, look, "group", split FROM facts JOIN labels USING (digest) ORDER BY digest',
    )
  } finally {
    tables.close()
  }
}

/** Pixels of the shorter side from which pieces of an image are looked for. */
const LARGE_SIDE = 128

interface Plan {
  readonly rules: DatasetRules
  /** New images with their places. */
  readonly fresh: readonly { readonly digest: string; readonly group: string; readonly split: Split }[]
  readonly joined: ReadonlyMap<string, string>
  readonly leftTest: readonly string[]
  readonly likenesses: readonly Likeness[]
}

async function plannedPlaces(
  store: ObjectStore,
  base: Manifest | null,
  standing: readonly StandingRow[],
  { intake, gathering, rules: rulesOfNew, bounds }: Addition & { readonly gathering: Gathering },
  { directory, signal, say }: AdditionOptions,
): Promise<Plan> {
  const held = new Set(standing.map(({ digest }) => digest))
  const met = await gathering.session.query<Look & WishedSplit>(
    `SELECT digest, look, "isLarge", split AS wish FROM said
     JOIN (SELECT digest, any_value(look) AS look, bool_or(least(width, height) >= ${LARGE_SIDE}) AS "isLarge"
           FROM parts WHERE look IS NOT NULL GROUP BY digest) USING (digest)
     ORDER BY digest`,
  )
  const fresh = met.filter(({ digest }) => !held.has(digest))
  const rules = base?.rules ?? rulesOfNew
  if (fresh.length === 0) return { rules, fresh: [], joined: new Map(), leftTest: [], likenesses: [] }
  say('looking for near duplicates')
  const grouping = await groupNearDuplicates(fresh, standing, {
    from: rules.threshold,
    ...(bounds ? { bounds } : {}),
    greysOf: async (digests) => {
      signal.throwIfAborted()
      const greys = await intake.greysOf(digests)
      const missing = digests.filter((digest) => !greys.has(digest))
      if (base && missing.length > 0)
        for (const [digest, grey] of await standingGreys(store, base, missing, directory)) greys.set(digest, grey)
      return greys
    },
    onChunk: (done) => say(`looking for near duplicates: ${done} of ${fresh.length} images`),
  })
  return { ...placed(fresh, standing, grouping, rules), rules: { ...rules, threshold: grouping.threshold } }
}

function placed(
  fresh: readonly (Look & WishedSplit)[],
  standing: readonly StandingRow[],
  { groupOf, joined, likenesses }: Grouping,
  rules: DatasetRules,
): Omit<Plan, 'rules'> {
  const grouped = fresh.map(({ digest, wish }) => ({ digest, wish, group: groupOf.get(digest)! }))
  const standingNow = standing.map(({ digest, group, split }) => ({ digest, split, group: joined.get(group) ?? group }))
  const { splitOfGroup, leftTest } = settleSplits(grouped, standingNow, rules)
  return {
    fresh: grouped.map(({ digest, group }) => ({ digest, group, split: splitOfGroup.get(group)! })),
    joined,
    leftTest,
    likenesses,
  }
}

async function standingGreys(
  store: ObjectStore,
  base: Manifest,
  digests: readonly string[],
  directory: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const tables = await openTables(store, base, { scratchDir: directory })
  try {
    const places = await tables.query<ImageFacts>(
      `SELECT digest, pack, "offset", "sizeBytes", uri, etag FROM facts WHERE digest IN (SELECT unnest(string_split($1, ',')))`,
      [digests.join(',')],
    )
    return await decodeGreys(store, places)
  } finally {
    tables.close()
  }
}

const FACTS = Object.keys(factColumns).map((column) => `"${column}"`)
const FACTS_OF_PART = FACTS.filter((column) => column !== '"group"' && column !== '"source"')

/**
 * Images that the version holds keep all they have; only what they lack is filled. An imported label is a person's, of an
 * image that nobody chose by its look: seen, and drawn at random.
 */
async function fill(session: TableSession, { fresh, joined, leftTest }: Plan): Promise<void> {
  await session.load('placed', { digest: 'text', group: 'text', split: 'text' }, fresh)
  await session.load('joined', { former: 'text', target: 'text' }, joinedRows(joined))
  await session.load(
    'moved',
    { digest: 'text' },
    map(leftTest, (digest) => ({ digest })),
  )
  await session.run(`
    INSERT INTO new_facts BY NAME
    SELECT ${FACTS_OF_PART.join(', ')}, placed."group", said.source
    FROM (SELECT DISTINCT ON (digest) * FROM parts WHERE look IS NOT NULL) JOIN placed USING (digest) JOIN said USING (digest)`)
  await session.run(`
    INSERT INTO new_facts BY NAME SELECT f.* REPLACE (j.target AS "group") FROM facts f JOIN joined j ON f."group" = j.former`)
  const known = 'label IS NOT NULL'
  await session.run(`
    INSERT INTO new_labels BY NAME
    SELECT digest, placed.split, label, tags, attributes, CASE WHEN ${known} THEN 'imported' END AS origin,
           ${known} AS "humanSeen", ${known} AS "randomDraw", NULL AS excluded
    FROM placed JOIN said USING (digest)`)
  const fills = 's.label IS NOT NULL AND l.label IS NULL AND l.excluded IS NULL'
  await session.run(`
    INSERT INTO new_labels BY NAME
    SELECT l.* REPLACE (coalesce(l.tags, s.tags) AS tags, coalesce(l.attributes, s.attributes) AS attributes,
             CASE WHEN m.digest IS NULL THEN l.split ELSE 'train' END AS split,
             CASE WHEN ${fills} THEN s.label ELSE l.label END AS label,
             CASE WHEN ${fills} THEN 'imported' ELSE l.origin END AS origin,
             ${fills} OR l."humanSeen" AS "humanSeen", ${fills} OR l."randomDraw" AS "randomDraw")
    FROM labels l LEFT JOIN said s USING (digest) LEFT JOIN moved m USING (digest)
    WHERE m.digest IS NOT NULL OR s.digest IS NOT NULL`)
  await fillBoxes(session)
}

/** Of new images, and of those that have no boxes yet. */
async function fillBoxes(session: TableSession): Promise<void> {
  await session.run(`
    INSERT INTO boxed SELECT digest FROM said ANTI JOIN (SELECT DISTINCT digest FROM boxes) USING (digest)
    WHERE said.boxes IS NOT NULL AND said.boxes <> '[]'
      AND digest IN (FROM (SELECT digest FROM placed) UNION ALL (SELECT digest FROM labels))`)
  await session.run(`
    INSERT INTO new_boxes BY NAME
    SELECT digest, (number - 1)::INTEGER AS number, box.class, box.x, box.y, box.width, box.height, box.attributes,
           coalesce(box.origin, 'imported') AS origin
    FROM (SELECT digest, unnest(list) AS box, generate_subscripts(list, 1) AS number
          FROM (SELECT digest, from_json(said.boxes, '[${BOX_TYPE}]') AS list FROM said JOIN boxed USING (digest)))`)
}

const BOX_TYPE = JSON.stringify({
  class: 'VARCHAR',
  x: 'DOUBLE',
  y: 'DOUBLE',
  width: 'DOUBLE',
  height: 'DOUBLE',
  attributes: 'VARCHAR',
  origin: 'VARCHAR',
})

function* joinedRows(joined: ReadonlyMap<string, string>): Iterable<{ former: string; target: string }> {
  for (const [former, target] of joined) yield { former, target }
}

function* map<A, B>(items: Iterable<A>, to: (item: A) => B): Iterable<B> {
  for (const item of items) yield to(item)
}
