/** What there is to show in the output of a step, found by what things are rather than by which step made them. */

export type Artifact = { readonly path: string } & (
  | { readonly kind: 'dataset-version'; readonly dataset: string; readonly version: string }
  | { readonly kind: 'report'; readonly sha256: string }
  | { readonly kind: 'link'; readonly to: string; readonly text: string }
  | { readonly kind: 'table'; readonly sha256: string; readonly rows: number }
  | { readonly kind: 'file'; readonly sha256: string; readonly sizeBytes: number }
  | { readonly kind: 'rows'; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  | { readonly kind: 'figure'; readonly value: string | number | boolean }
)

/** Deeper and longer things are in the JSON alone. */
const DEEPEST = 4
const MOST = 40
const LONGEST_TEXT = 80
const DIGEST = /^[0-9a-f]{64}$/

type Fields = Readonly<Record<string, unknown>>

export function artifactsIn(outputs: unknown): readonly Artifact[] {
  const found: Artifact[] = []
  visit(outputs, [], found)
  return found.slice(0, MOST)
}

function visit(value: unknown, path: readonly string[], found: Artifact[]): void {
  const at = path.join('.')
  if (typeof value === 'number' || typeof value === 'boolean') found.push({ path: at, kind: 'figure', value })
  else if (typeof value === 'string') {
    if (path.at(-1) !== 'kind' && value.length <= LONGEST_TEXT && !DIGEST.test(value))
      found.push({ path: at, kind: 'figure', value })
  } else if (Array.isArray(value) && value.length > 0 && value.every(isFields))
    found.push({ path: at, kind: 'rows', rows: value })
  else if (isFields(value)) visitFields(value, path, at, found)
}

function visitFields(value: Fields, path: readonly string[], at: string, found: Artifact[]): void {
  const { kind, sha256, sizeBytes, dataset, version, name, rows, blob } = value
  if (typeof sha256 === 'string' && typeof sizeBytes === 'number') {
    found.push(
      path.at(-1) === 'html' ? { path: at, kind: 'report', sha256 } : { path: at, kind: 'file', sha256, sizeBytes },
    )
    return
  }
  if (kind === 'dataset-version' && typeof dataset === 'string' && typeof version === 'string')
    found.push({ path: at, kind, dataset, version })
  if (kind === 'model-version')
    found.push({ path: at, kind: 'link', to: `/models/${name}`, text: `${name} v${version}` })
  if (kind === 'endpoint') found.push({ path: at, kind: 'link', to: '/endpoints', text: String(name) })
  if (kind === 'table' && typeof rows === 'number' && isFields(blob) && typeof blob['sha256'] === 'string') {
    found.push({ path: at, kind, sha256: blob['sha256'], rows })
    return
  }
  if (path.length < DEEPEST)
    for (const [key, item] of Object.entries(value))
      if (!TOLD[String(kind)]?.has(key)) visit(item, [...path, key], found)
}

/** Fields that the preview of a kind tells already. */
const TOLD: Readonly<Record<string, ReadonlySet<string>>> = {
  'dataset-version': new Set(['dataset', 'version']),
  'model-version': new Set(['name', 'version']),
  endpoint: new Set(['name']),
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The rows of JSON lines, or of a list of objects; null for any other text. */
export function rowsIn(text: string): readonly Record<string, unknown>[] | null {
  const rows = listIn(text) ?? linesIn(text)
  return rows?.length && rows.every(isFields) ? rows : null
}

function listIn(text: string): readonly unknown[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : null
  } catch {
    return null
  }
}

function linesIn(text: string): readonly unknown[] | null {
  const lines = text.trimEnd().split('\n')
  try {
    return lines.length > 1 ? lines.map((line) => JSON.parse(line) as unknown) : null
  } catch {
    return null
  }
}
