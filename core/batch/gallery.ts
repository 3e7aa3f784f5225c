/** Results to look at: pictures by class, the least sure ones first, and what failed with its reason. */

import path from 'node:path'
import { count, html, htmlDocument, percent, shareBar, table, type Html } from '#core/html'
import { describeSource, type BatchFailure, type BatchRow, type BatchTask } from './records.ts'

/** Pictures in one page at most: some 4 MB. */
const PICTURES = 960
const LISTED_FAILURES = 500

/** Rows that a gallery shows, gathered while all rows pass by once. */
export class GallerySelection {
  private readonly byClass = new Map<string, { images: number; rows: BatchRow[] }>()
  private images = 0

  /** @param classes - how many the model knows: they share the room. */
  constructor(private readonly classes: number) {}

  private get room(): number {
    return Math.max(12, Math.floor(PICTURES / this.classes))
  }

  add(row: BatchRow): void {
    this.images += 1
    if (row.class === null) return
    const group = this.byClass.get(row.class) ?? { images: 0, rows: [] }
    this.byClass.set(row.class, group)
    group.images += 1
    group.rows.push(row)
    // Sorting only now and then keeps a long task linear.
    if (group.rows.length >= 2 * this.room) group.rows = leastSure(group.rows, this.room)
  }

  /** Classes by how many images they got, largest first; rows by score, lowest first. */
  groups(): readonly GalleryGroup[] {
    return [...this.byClass]
      .map(([name, { images, rows }]) => ({ class: name, images, rows: leastSure(rows, this.room) }))
      .sort((a, b) => b.images - a.images || (a.class < b.class ? -1 : 1))
  }

  get total(): number {
    return this.images
  }
}

export interface GalleryGroup {
  readonly class: string
  readonly images: number
  readonly rows: readonly BatchRow[]
}

function leastSure(rows: readonly BatchRow[], count: number): BatchRow[] {
  return [...rows].sort((a, b) => (a.score ?? 0) - (b.score ?? 0) || (a.path < b.path ? -1 : 1)).slice(0, count)
}

export interface GalleryContent {
  readonly task: BatchTask
  readonly images: number
  readonly groups: readonly GalleryGroup[]
  readonly failures: readonly BatchFailure[]
  /** Digest of the image → data URI; images without one are shown by name. */
  readonly thumbnails: ReadonlyMap<string, string | null>
}

export function galleryPage({ task, images, groups, failures, thumbnails }: GalleryContent): string {
  const { model, source, algorithm } = task
  const who = `${algorithm ? `${algorithm.name} over ` : ''}${model.name} v${model.version}`
  const where = source.kind === 'folder' ? path.basename(source.path) : describeSource(source)
  return htmlDocument({
    title: `${who} over ${where}`,
    subtitle: html`${count(images)} ${images === 1 ? 'image' : 'images'}, ${count(failures.length)} failed. Task
      <code>${task.id}</code>, started
      <time datetime="${task.startedAt}">${task.startedAt.slice(0, 16).replace('T', ' ')} UTC</time>`,
    body: html`${summary(groups, images, failures)}${groups.map((group, i) => section(group, thumbnails, i === 0))}${failed(failures)}`,
    style: STYLE,
  })
}

function summary(groups: readonly GalleryGroup[], images: number, failures: readonly BatchFailure[]): Html {
  const row = (name: Html | string, value: number) =>
    html`<tr>
      <th scope="row">${name}</th>
      <td>${count(value)}</td>
      <td>${shareBar(value / Math.max(1, images))}</td>
    </tr>`
  return table(
    'Images by class',
    html`
      <thead>
        <tr>
          <th scope="col">Class</th>
          <th scope="col">Images</th>
          <th scope="col">Share</th>
        </tr>
      </thead>
      <tbody>
        ${groups.map((group) => row(html`<a href="#${anchor(group.class)}">${group.class}</a>`, group.images))}
        ${failures.length > 0 && row(html`<a href="#failed" class="bad">✕ failed</a>`, failures.length)}
      </tbody>
    `,
  )
}

function section(
  { class: name, images, rows }: GalleryGroup,
  thumbnails: ReadonlyMap<string, string | null>,
  open: boolean,
): Html {
  const figures = rows.map((row) => {
    const thumbnail = thumbnails.get(row.image!)
    const image = thumbnail
      ? html`<img src="${thumbnail}" alt="" loading="lazy" />`
      : html`<p class="quiet">no picture</p>`
    return html`<figure>
      ${image}
      <figcaption>${row.path}<br /><span class="quiet">${row.score !== null && percent(row.score)}</span></figcaption>
    </figure>`
  })
  const note =
    rows.length < images
      ? html`The ${count(rows.length)} least sure of ${count(images)}`
      : html`All ${count(images)}, the least sure first`
  return html`<section>
    <details ${open && 'open'}>
      <summary>
        <h2>${name}</h2>
        <span class="quiet">${note}</span>
      </summary>
      <div class="grid" id="${anchor(name)}">${figures}</div>
    </details>
  </section>`
}

function failed(failures: readonly BatchFailure[]): Html {
  if (failures.length === 0) return html``
  const rows = failures.slice(0, LISTED_FAILURES).map(
    ({ path, reason }) =>
      html`<tr>
        <th scope="row">${path}</th>
        <td class="left wrap">${reason}</td>
      </tr>`,
  )
  return html`<section id="failed">
    <h2>Failed</h2>
    <p>
      ${failures.length > LISTED_FAILURES ? html`The first ${count(LISTED_FAILURES)} of ${count(failures.length)}; the CSV has all. ` : null}The
      other images have their results.
    </p>
    ${table(
      'Failed images',
      html`
        <thead>
          <tr>
            <th scope="col">Image</th>
            <th scope="col" class="left">Reason</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      `,
    )}
  </section>`
}

/** On the pictures, not on the section: a browser opens the closed part that holds the target of a link. */
const anchor = (name: string): string => `class-${encodeURIComponent(name)}`

const STYLE = `
summary { cursor: pointer; } summary h2 { display: inline; } details > .grid { margin-top: 12px; scroll-margin-top: 64px; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.wrap { white-space: normal; min-width: 200px; }
`
