/** The health report as a page: what is wrong first, each finding with its images. */
import { count, html, htmlDocument, percent, table, type Html } from '#core/html'
import type { Details, Finding, HealthReport } from './report.ts'

export const SHOWN_IMAGES = 12

const MARKS = { bad: '✕', attention: '▲', note: '·' } as const

/** @param thumbnails - image digest → data URI; others are shown by their digest. */
export function healthPage(report: HealthReport, thumbnails: ReadonlyMap<string, string>): string {
  const { dataset, version, images, labelled, excluded, findings, notes } = report
  return htmlDocument({
    title: `Health of ${dataset}`,
    subtitle: html`Version <code>${version.slice(0, 12)}</code>: ${count(images)} images, ${count(labelled)}
      labelled${excluded > 0 && `, ${count(excluded)} excluded and not looked at`}`,
    body: html`${findings.length === 0 ? html`<p class="good">Nothing was found.</p>` : overview(findings)}
    ${findings.map((finding) => section(report, finding, thumbnails))} ${notes.length > 0 && remarks(notes)}`,
    style: STYLE,
  })
}

function overview(findings: readonly Finding[]): Html {
  const rows = findings.map(
    ({ title, images, share, severity }, i) =>
      html`<tr>
        <th scope="row" class="wide">
          <span class="${severity}" aria-hidden="true">${MARKS[severity]}</span>
          <a href="#finding-${i + 1}">${title}</a>
        </th>
        <td>${images > 0 && count(images)}</td>
        <td>${images > 0 && percent(share)}</td>
      </tr>`,
  )
  return table(
    'Findings',
    html`<thead>
        <tr>
          <th scope="col">Finding</th>
          <th scope="col">Images</th>
          <th scope="col">Share</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>`,
  )
}

function section(report: HealthReport, finding: Finding, thumbnails: ReadonlyMap<string, string>): Html {
  const { title, severity, advice, details, digests, captions, images } = finding
  const shown = digests.slice(0, SHOWN_IMAGES)
  return html`<section id="finding-${report.findings.indexOf(finding) + 1}">
    <h2><span class="${severity}" aria-hidden="true">${MARKS[severity]}</span> ${title}</h2>
    <p>${advice}</p>
    ${details && detailsTable(title, details)}
    ${
      shown.length > 0 &&
      html`<div class="grid">${shown.map((digest, i) => picture(digest, captions?.[i], thumbnails.get(digest)))}</div>
        ${images > shown.length && html`<p class="quiet small">The worst ${shown.length} of ${count(images)}.</p>`}`
    }
    ${commands(report, finding)}
  </section>`
}

function picture(digest: string, caption: string | undefined, thumbnail: string | undefined): Html {
  const image = thumbnail
    ? html`<img src="${thumbnail}" alt="${caption ?? `Image ${digest.slice(0, 12)}`}" loading="lazy" />`
    : html`<p class="quiet">no picture</p>`
  return html`<figure>
    ${image}
    <figcaption title="${digest}">
      ${caption && html`${caption}<br />`}<span class="quiet">${digest.slice(0, 12)}</span>
    </figcaption>
  </figure>`
}

function detailsTable(name: string, { columns, rows }: Details): Html {
  return table(
    name,
    html`<thead>
        <tr>
          ${columns.map((column, i) => html`<th scope="col" class="${typeof rows[0]?.[i] === 'number' ? '' : 'left'}">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map(detailCell)}
            </tr>`,
        )}
      </tbody>`,
  )
}

function detailCell(cell: string | number | null): Html {
  if (typeof cell === 'number') return html`<td>${cell.toLocaleString('en-US')}</td>`
  return html`<td class="left">${cell}</td>`
}

/** What to type to see all of them and to act. */
function commands({ dataset, version }: HealthReport, { kind, where, images, digests }: Finding): Html | false {
  if (images === 0 || digests.length === 0) return false
  const at = `${dataset}@${version.slice(0, 12)}`
  return html`<p class="commands">
    ${where !== null && html`<code>gyre dataset query ${at} ${JSON.stringify(where)}</code><br />`}
    <code>gyre dataset exclude ${at} --finding ${kind} --reason "…"</code>
  </p>`
}

function remarks(notes: readonly string[]): Html {
  return html`<section>
    <h2>Also</h2>
    <ul>
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>
  </section>`
}

const STYLE = `
.note { color: var(--quiet); }
.wide { white-space: normal; min-width: 22ch; } .wide a { color: inherit; }
.commands { margin-top: 12px; }
`
