/** The report of an import as a page with pictures, to keep and to send. */
import { openVersion } from '#core/datasets'
import { count, html, htmlDocument, percent, raw, table, type Html } from '#core/html'
import { thumbnail } from '#core/images'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { GroupMember, ImportReport } from './report.ts'

/** Groups with pictures, and pictures of each: a page stays below a few megabytes. */
const MOST_GROUPS = 60
const MOST_MEMBERS = 8
const PICTURE_PIXELS = 120
const MOST_LINES = 200

export async function importPage(store: ObjectStore, version: DatasetVersion, report: ImportReport): Promise<string> {
  const groups = [...report.groups].sort((a, b) => b.length - a.length).slice(0, MOST_GROUPS)
  const shown = groups.map((group) => group.slice(0, MOST_MEMBERS))
  const pictures = await picturesOf(store, version, shown.flat())
  return htmlDocument({
    title: `Import into ${version.dataset}`,
    subtitle: `version ${version.version.slice(0, 12)} · ${count(version.images)} images`,
    style: STYLE,
    body: html`
      ${summary(report)} ${balance(report)}
      <h2>Near duplicates</h2>
      <p>${groupsSentence(report)}</p>
      ${groups.map((group, i) => groupFigure(group, shown[i]!, { pictures, report }))}
      ${lines(
        'Left out',
        ['file', 'why'],
        report.rejected.map(({ path, reason }) => [path, reason]),
        report.counts.rejected,
      )}
      ${lines(
        'Same bytes',
        ['file', 'same as'],
        report.duplicates.map(({ path, sameAs }) => [path, sameAs]),
        report.counts.duplicates,
      )}
      ${lines(
        'Called by different classes',
        ['image', 'classes'],
        report.labelConflicts.map(({ digest, classes }) => [digest.slice(0, 12), classes.join(', ')]),
        report.labelConflicts.length,
      )}
      ${lines(
        'Not understood',
        ['what'],
        report.notes.map((note) => [note]),
        report.notes.length,
      )}
    `,
  })
}

function summary({ images, counts, leftTest }: ImportReport): Html {
  const left =
    leftTest.length === 0
      ? ''
      : ` ${count(leftTest.length)} held-out images went to train, since a new image joins them with one there.`
  return html`<p>
    ${count(counts.files)} files: ${count(images)} distinct images, ${count(counts.duplicates)} with the bytes of
    another, ${count(counts.rejected)} left out.${left}
  </p>`
}

function balance({ balance: { train, test, classes, warnings } }: ImportReport): Html {
  const rows = Object.entries(classes).map(([name, each]) => [name, count(each.train), count(each.test)])
  return html`<h2>Splits</h2>
    <p>${count(train)} to train, ${count(test)} held out (${percent(test / Math.max(1, train + test))}).</p>
    ${warnings.map((warning) => html`<p class="attention">${warning}</p>`)}
    ${rows.length > 0 ? rowsTable('Classes', ['class', 'train', 'held out'], rows.slice(0, MOST_LINES)) : ''}`
}

function groupsSentence({ groups, threshold, tightened }: ImportReport): string {
  if (threshold === null) return `${tightened ?? 'Nothing is grouped'}.`
  const images = groups.reduce((sum, group) => sum + group.length, 0)
  const why = tightened === null ? '' : ` (${tightened})`
  const found = `${count(images)} images in ${count(groups.length)} groups correlate by at least ${threshold}${why}.`
  return groups.length === 0
    ? `No two images correlate by ${threshold} or more${why}.`
    : `${found} Each group lies in one split.`
}

interface Shown {
  readonly pictures: ReadonlyMap<string, string>
  readonly report: ImportReport
}

function groupFigure(group: readonly GroupMember[], shown: readonly GroupMember[], { pictures, report }: Shown): Html {
  const likeness = new Map(report.likenesses.map((each) => [each.digest, each]))
  const more = group.length > shown.length ? html`<p>… and ${count(group.length - shown.length)} more</p>` : ''
  return html`<section class="group">
    ${shown.map(({ digest, source, split, label }) => {
      const alike = likeness.get(digest)
      const picture = pictures.get(digest)
      return html`<figure>
        ${picture === undefined ? '' : html`<img src="${picture}" alt="${source}" />`}
        <figcaption>
          ${source}<br />${split === 'train' ? 'train' : 'held out'}${label === null ? '' : ` · ${label}`}
          ${alike ? html`<br />${alike.correlation.toFixed(3)}${alike.view === 'plain' ? '' : `, ${alike.view}`}` : ''}
        </figcaption>
      </figure>`
    })}
    ${more}
  </section>`
}

function lines(title: string, head: readonly string[], rows: readonly (readonly string[])[], total: number): Html {
  if (rows.length === 0) return raw('')
  const more = total > MOST_LINES ? html`<p>… and ${count(total - MOST_LINES)} more, in the JSON report</p>` : ''
  return html`<h2>${title}</h2>
    ${rowsTable(title, head, rows.slice(0, MOST_LINES))} ${more}`
}

function rowsTable(name: string, head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return table(
    name,
    html`<thead>
        <tr>
          ${head.map((word) => html`<th scope="col">${word}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>`,
  )
}

async function picturesOf(
  store: ObjectStore,
  version: DatasetVersion,
  members: readonly GroupMember[],
): Promise<ReadonlyMap<string, string>> {
  const pictures = new Map<string, string>()
  if (members.length === 0) return pictures
  const reader = await openVersion(store, version)
  for await (const { digest, bytes } of reader.images(members.map(({ digest }) => digest))) {
    const picture = Buffer.from(await thumbnail(bytes, PICTURE_PIXELS))
    pictures.set(digest, `data:image/webp;base64,${picture.toString('base64')}`)
  }
  return pictures
}

const STYLE = `
.group { display: flex; flex-wrap: wrap; gap: 12px; padding: 12px 0; border-top: 1px solid var(--line); }
.group figure { margin: 0; width: 132px; overflow-wrap: anywhere; font-size: 12px; color: var(--quiet); }
.group img { display: block; max-width: 120px; max-height: 120px; min-width: 48px; image-rendering: auto; }
.attention { color: var(--attention); }
`
