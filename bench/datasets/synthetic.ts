/**
 * Datasets of any size without images: rows made by SQL from numbers 0 … n−1, for measuring what depends on the number of
 * images alone. The same size always gives the same version.
 */
import { commit } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'

/** A number in [0, 1) of its own for each image and each use. */
const drawn = (use: number): string => `(hash(i * 31 + ${use}) % 1000003 / 1000003.0)`

/** Looks like the log of a line of cameras: twelve classes, one in ten without a label, a tenth of them held out. */
const facts = (images: number): string => `
  SELECT sha256('image ' || i) AS digest, sha256('pack ' || i // 8000) AS pack, (i % 8000 * 4096)::INTEGER AS "offset",
    (1500 + 1500 * ${drawn(1)})::INTEGER AS "sizeBytes",
    (CASE WHEN i % 5 = 0 THEN 640 ELSE 320 END)::INTEGER AS width, 240::INTEGER AS height, 'jpeg' AS format,
    sha256('image ' || i) AS "group", 'line-' || i % 7 || '/' || 2020 + i % 6 || '/shot-' || i || '.jpg' AS "source",
    lpad(to_hex(hash(i)), 16, '0') AS look, NULL AS uri, NULL AS etag,
    0.2 + 0.6 * ${drawn(2)} AS brightness, 0.3 * ${drawn(3)} AS contrast, ${drawn(4)} * ${drawn(5)} AS blur,
    4 + 4 * ${drawn(6)} AS entropy, 0.5 * ${drawn(7)} AS colour,
    CASE WHEN i % 3 = 0 THEN 'Canon EOS ' || i % 5 END AS camera,
    CASE WHEN i % 3 = 0 THEN strftime(TIMESTAMP '2024-01-01' + to_minutes(i::BIGINT % 1000000), '%Y-%m-%dT%H:%M:%S') END AS "takenAt"
  FROM range(${images}) AS numbers(i)`

const labels = (images: number): string => `
  SELECT sha256('image ' || i) AS digest, CASE WHEN ${drawn(8)} < 0.1 THEN 'test' ELSE 'train' END AS split,
    CASE WHEN i % 10 > 0 THEN ${LABEL} END AS "label",
    CASE WHEN i % 20 = 0 THEN ['night', 'wet'] END AS tags,
    CASE WHEN i % 4 = 0 THEN '{"line":' || i % 9 || '}' END AS attributes,
    CASE WHEN i % 10 > 0 THEN CASE WHEN i % 2 = 0 THEN 'human' ELSE 'predicted' END END AS origin,
    i % 2 = 0 AND i % 10 > 0 AS "humanSeen", false AS "randomDraw", CASE WHEN i % 50 = 0 THEN 'broken' END AS excluded
  FROM range(${images}) AS numbers(i)`

const CLASSES = ['scratch', 'dent', 'pit', 'stain', 'crack', 'chip', 'burr', 'bent', 'rust', 'hole', 'dust', 'clean']
const LABEL = `[${CLASSES.map((name) => `'${name}'`).join(', ')}][1 + (hash(i * 17) % ${CLASSES.length})::INTEGER]`

/** @param images - how many; a minute and some 300 bytes each for ten million. */
export async function syntheticVersion(
  store: ObjectStore,
  dataset: string,
  images: number,
  scratchDir: string,
): Promise<DatasetVersion> {
  const { version } = await commit(
    store,
    { dataset, version: null },
    async (session) => {
      await session.run(`INSERT INTO new_facts BY NAME (${facts(images)} ORDER BY digest)`)
      await session.run(`INSERT INTO new_labels BY NAME (${labels(images)} ORDER BY digest)`)
    },
    { by: 'bench', note: 'made by numbers', scratchDir, rules: { heldOutShare: 0.1, seed: 7, threshold: 0.98 } },
  )
  return version
}

/** The version with other labels on every hundredth image: a change of one per cent. */
export async function relabelled(
  store: ObjectStore,
  version: DatasetVersion,
  scratchDir: string,
): Promise<DatasetVersion> {
  const made = await commit(
    store,
    version,
    async (session) => {
      await session.run(
        `INSERT INTO new_labels BY NAME SELECT * REPLACE ('clean' AS "label", 'human' AS origin, true AS "humanSeen")
         FROM labels WHERE hash(digest) % 100 = 0`,
      )
    },
    { by: 'bench', note: 'one per cent', scratchDir },
  )
  return made.version
}
