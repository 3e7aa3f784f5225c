/** The evaluation report as a page: the figure that decides first, then where the model errs. */

import { count, html, htmlDocument, percent, shareBar, table, type Html } from '#core/html'
import type { CalibrationBin } from './statistics.ts'
import type { ChampionReport, Mistake, Report } from './report.ts'

/** Beyond this a matrix of all classes is unreadable; the largest confusions are listed instead. */
const MATRIX_CLASSES = 16
const LISTED_CONFUSIONS = 30

/** @param thumbnails - image digest → data URI, for the worst mistakes; others are shown without a picture. */
export function reportPage(report: Report, thumbnails: ReadonlyMap<string, string>): string {
  return htmlDocument({
    title: `Evaluation of a ${report.model.trainer} model on ${report.dataset.dataset}`,
    subtitle: html`Model <code>${short(report.model.digest)}</code>, dataset version
      <code>${short(report.dataset.version)}</code>, ${count(report.images)} held-out images`,
    body: html`${headline(report)}${classTable(report)}${confusions(report)}${worst(report, thumbnails)}${calibration(report)}`,
    style: STYLE,
  })
}

function headline(report: Report): Html {
  const [low, high] = report.interval
  const { champion } = report
  return html`<div class="card">
    <p class="figure">
      <strong>${percent(report.accuracy)}</strong> right
      <span class="quiet">95 % interval ${percent(low)} to ${percent(high)}</span>
    </p>
    ${scale(report)}
    <p>
      Measured on ${count(report.humanSeen)} held-out ${report.humanSeen === 1 ? 'image' : 'images'} that a person
      judged, drawn at random; the model never saw them.
      ${
        report.labelsLeftOut > 0 &&
        html`<span class="quiet"
          >${count(report.labelsLeftOut)} other held-out ${report.labelsLeftOut === 1 ? 'label was' : 'labels were'}
          accepted without that and left out.</span
        >`
      }
    </p>
    ${champion ? versus(report, champion) : html`<p class="quiet">There is no champion to compare with yet.</p>`}
  </div>`
}

/** Accuracy with its interval on a line, the champion as a reference mark. Zoomed to what matters, and labelled so. */
function scale({ accuracy, interval, champion }: Report): Html {
  const lowest = Math.min(interval[0], champion?.interval[0] ?? 1)
  const from = Math.max(0, Math.floor(lowest * 20 - 0.5) / 20)
  const at = (value: number) => (1000 * (value - from)) / (1 - from)
  const note = `Accuracy ${percent(accuracy)}, interval ${percent(interval[0])} to ${percent(interval[1])}${
    champion ? `, champion ${percent(champion.accuracy)}` : ''
  }, on a scale from ${percent(from)} to 100 %`
  return html`<svg class="scale" role="img" aria-label="${note}" viewBox="0 0 1000 24" preserveAspectRatio="none">
      <line x1="0" x2="1000" y1="12" y2="12" class="axis" />
      <rect
        x="${at(interval[0]).toFixed(1)}"
        width="${Math.max(2, at(interval[1]) - at(interval[0])).toFixed(1)}"
        y="8"
        height="8"
        class="interval"
      />
      ${champion && html`<rect x="${(at(champion.accuracy) - 1).toFixed(1)}" width="2" y="0" height="24" class="reference" />`}
      <rect x="${(at(accuracy) - 2).toFixed(1)}" width="4" y="3" height="18" class="value" />
    </svg>
    <p class="ends small quiet">
      <span>${percent(from)}</span
      >${champion && html`<span>thin mark: champion ${percent(champion.accuracy)}</span>`}<span>100 %</span>
    </p>`
}

function versus(report: Report, champion: ChampionReport): Html {
  const verdict = report.beatsChampion
    ? html`<strong class="good">▲ Beats the champion</strong>`
    : html`<strong class="attention">▼ Does not beat the champion</strong>`
  const gain = report.accuracy - champion.accuracy
  const chance =
    champion.p < 0.05 ? 'unlikely to be chance' : 'which chance alone could bring about; more judged images would tell'
  return html`<p>
    ${verdict} ${champion.name}: ${points(gain)} on the same images (asked for: at least ${points(report.minGain)}).
    ${count(champion.onlyThis)} images only this model gets right, ${count(champion.onlyChampion)} only the champion: p
    = ${champion.p < 0.001 ? '< 0.001' : champion.p.toFixed(3)}, ${chance}.
  </p>`
}

function classTable({ perClass }: Report): Html {
  const rows = perClass.map(
    ({ class: name, images, precision, recall }) =>
      html`<tr>
        <th scope="row">${name}</th>
        <td>${count(images)}</td>
        <td>${bar(recall)}</td>
        <td>${bar(precision)}</td>
      </tr>`,
  )
  return html`<section>
    <h2>By class</h2>
    <p>
      Found: share of the images of a class that the model finds. Trusted: share of its answers with this class that are
      right.
    </p>
    ${table(
      'By class',
      html`<thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col">Images</th>
            <th scope="col">Found (recall)</th>
            <th scope="col">Trusted (precision)</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>`,
    )}
  </section>`
}

function bar(share: number | null): Html {
  if (share === null) return html`<span class="quiet">no image</span>`
  return shareBar(share)
}

function confusions(report: Report): Html {
  const { classes, counts } = report.confusion
  return html`<section>
    <h2>Confusions</h2>
    ${classes.length <= MATRIX_CLASSES ? matrix(classes, counts) : listing(classes, counts)}
  </section>`
}

function matrix(classes: readonly string[], counts: readonly (readonly number[])[]): Html {
  const rows = counts.map((row, truth) => {
    const total = row.reduce((sum, value) => sum + value, 0)
    const cells = row.map((value, answer) => cell(value, total, truth === answer))
    return html`<tr>
      <th scope="row">${classes[truth]}</th>
      ${cells}
    </tr>`
  })
  return html`<p>Rows: what a person said. Columns: what the model said.</p>
    ${table(
      'Confusion matrix',
      html`<thead>
          <tr>
            <td></td>
            ${classes.map((name) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>`,
    )}`
}

function cell(value: number, total: number, isHit: boolean): Html {
  if (value === 0) return html`<td class="quiet">·</td>`
  const strength = Math.round(6 + (isHit ? 22 : 44) * Math.min(1, value / total))
  return html`<td style="background:color-mix(in oklab, var(${isHit ? '--good' : '--bad'}) ${strength}%, transparent)">
    ${count(value)}
  </td>`
}

function listing(classes: readonly string[], counts: readonly (readonly number[])[]): Html {
  const largest = counts
    .flatMap((row, truth) => row.map((value, answer) => ({ truth, answer, value })))
    .filter(({ truth, answer, value }) => truth !== answer && value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, LISTED_CONFUSIONS)
  const rows = largest.map(
    ({ truth, answer, value }) =>
      html`<tr>
        <th scope="row">${classes[truth]}</th>
        <td class="left">${classes[answer]}</td>
        <td>${count(value)}</td>
      </tr>`,
  )
  return html`<p>The most frequent ones of ${count(classes.length)} classes.</p>
    ${table(
      'Confusions',
      html`<thead>
          <tr>
            <th scope="col">A person said</th>
            <th scope="col" class="left">The model said</th>
            <th scope="col">Images</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>`,
    )}`
}

function worst({ worst: shown, mistakes }: Report, thumbnails: ReadonlyMap<string, string>): Html {
  if (mistakes === 0)
    return html`<section>
      <h2>Mistakes</h2>
      <p>None on the judged images. The interval above says how many there may be on others.</p>
    </section>`
  const figures = shown.map((mistake) => figure(mistake, thumbnails.get(mistake.digest)))
  return html`<section>
    <h2>Mistakes</h2>
    <p>
      ${shown.length < mistakes ? html`The ${shown.length} most confident of ${count(mistakes)}.` : html`All ${count(mistakes)}, most confident first.`}
      Look for wrong labels among them, too.
    </p>
    <div class="grid">${figures}</div>
  </section>`
}

function figure({ digest, source, expected, class: answer, score }: Mistake, thumbnail: string | undefined): Html {
  const image = thumbnail
    ? html`<img src="${thumbnail}" alt="${expected}, taken for ${answer}" loading="lazy" />`
    : html`<p class="quiet">no picture</p>`
  return html`<figure>
    ${image}
    <figcaption>
      <span class="bad">✕ ${answer}</span> ${percent(score)}<br />a person said ${expected}<br />
      <span class="quiet" title="${digest}">${source}</span>
    </figcaption>
  </figure>`
}

function calibration({ calibration: { error, bins } }: Report): Html {
  const rows = bins.filter(({ images }) => images > 0).map(calibrationRow)
  return html`<section>
    <h2>Does it know when it errs?</h2>
    <p>
      Images by the score that the model gave its answer. Of answers scored 90 %, nine in ten should be right; on
      average it is off by ${points(error, '')} (expected calibration error).
    </p>
    ${table(
      'Calibration',
      html`<thead>
          <tr>
            <th scope="col">Score</th>
            <th scope="col">Images</th>
            <th scope="col">Mean score</th>
            <th scope="col">Right</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>`,
    )}
  </section>`
}

function calibrationRow({ from, to, images, meanScore, accuracy }: CalibrationBin): Html {
  return html`<tr>
    <th scope="row">${(100 * from).toFixed(0)}–${(100 * to).toFixed(0)} %</th>
    <td>${count(images)}</td>
    <td>${percent(meanScore ?? 0)}</td>
    <td>${bar(accuracy)}</td>
  </tr>`
}

const short = (digest: string): string => digest.slice(0, 12)

/** A difference of shares in percentage points. */
function points(difference: number, sign = difference < 0 ? '−' : '+'): string {
  return `${sign}${Math.abs(100 * difference).toFixed(1)} points`
}

const STYLE = `
.figure { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; font-size: 18px; }
.figure strong { font-size: 24px; } .figure .quiet { font-size: 15px; }
.card > * + p { margin-top: 12px; } .card .ends { margin-top: 0; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 12px; }
.scale { display: block; width: 100%; height: 24px; margin-top: 12px; }
.scale .axis { stroke: var(--line); stroke-width: 2; vector-effect: non-scaling-stroke; }
.scale .interval { fill: color-mix(in oklab, var(--accent) 35%, transparent); } .scale .value { fill: var(--accent); } .scale .reference { fill: var(--text); }
`
