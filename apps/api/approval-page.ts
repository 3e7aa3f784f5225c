/** The page behind a one-time link: what is asked, about what, and the two buttons. No scripts. */

import { fieldsOf, type FormField } from '#core/approvals'
import { html, htmlDocument, type Html } from '#core/html'
import type { Principal, WaitingApproval } from './schemas.ts'

interface Attempt {
  /** Why the answer was not taken. */
  readonly trouble: string
  readonly why: string
  readonly texts: Readonly<Record<string, string>>
}

const STYLE = `
body { max-width: 640px; }
form { display: grid; gap: 16px; margin-top: 24px; }
label { display: grid; gap: 4px; font-weight: 500; } label .quiet { font-weight: 400; }
label.check { grid-template-columns: auto 1fr; align-items: baseline; gap: 8px; }
input:not([type=checkbox]), select, textarea { font: inherit; padding: 8px; color: inherit; background: var(--surface);
  border: 1px solid var(--line); border-radius: 6px; width: 100%; }
:is(input, select, textarea, button):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
textarea { min-height: 64px; resize: vertical; }
.buttons { display: flex; flex-wrap: wrap; gap: 12px; }
button { font: inherit; font-weight: 500; padding: 8px 24px; border-radius: 6px; cursor: pointer; color: inherit;
  background: var(--surface); border: 1px solid var(--line); }
button.main { color: var(--ground); background: var(--accent); border-color: var(--accent); }
dl { display: grid; grid-template-columns: minmax(96px, auto) 1fr; gap: 4px 16px; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; } dd dl { grid-template-columns: minmax(64px, auto) 1fr; }
.trouble { border-color: var(--bad); color: var(--bad); }
section { margin-top: 24px; } section h2 { margin-bottom: 8px; }
@media (max-width: 400px) { dl, dd dl { grid-template-columns: 1fr; } dd { margin-bottom: 8px; } button { flex: 1; } }
`

/** @param attempt - an answer that was not taken, to be mended. */
export function approvalPage(
  { person, question }: { readonly person: Principal; readonly question: WaitingApproval },
  attempt?: Attempt,
): string {
  const { run, pipeline, approvals, answers, form, deadlineAt } = question
  const agreed = answers.length > 0 ? `, ${answers.map(({ by }) => by).join(' and ')} agreed already` : ''
  const body = html`
    ${attempt && html`<p class="card trouble" role="alert">Not taken: ${attempt.trouble}</p>`}
    <section>
      <h2>What it is about</h2>
      <div class="card">${valueOf(question.subject, 0)}</div>
    </section>
    <form method="post">
      ${fieldsOf(form ?? {}).map((field) => fieldOf(field, attempt?.texts[field.name]))}
      <label>Why<textarea name="why" maxlength="2000">${attempt?.why ?? ''}</textarea></label>
      <div class="buttons">
        <button class="main" name="decision" value="approve">Approve</button>
        <button name="decision" value="refuse" formnovalidate>Refuse</button>
      </div>
      <p class="quiet small">
        You answer as ${person.name}. ${approvals > 1 ? `${approvals} people must agree${agreed}; one who` : 'Who'}
        refuses ends the run. ${deadlineAt && `Answers count until ${deadlineAt.slice(0, 16).replace('T', ' ')} UTC.`}
      </p>
    </form>
  `
  return htmlDocument({ title: question.question, subtitle: `${pipeline}, run ${run}`, body, style: STYLE })
}

export function answeredPage({ question, run }: WaitingApproval, approved: boolean): string {
  const body = html`<p class="card">
    ${approved ? 'Approved' : 'Refused'}. Your answer is kept with the run. This link is used; you can close the page.
  </p>`
  return htmlDocument({ title: question, subtitle: `run ${run}`, body, style: STYLE })
}

export function spentPage(): string {
  const body = html`<p class="card">
    The link was used, has expired, or what it asked is decided. Whoever sent it can make another one.
  </p>`
  return htmlDocument({ title: 'Nothing to answer', subtitle: 'Gyre', body, style: STYLE })
}

function fieldOf({ name, kind, title, help, required, ...field }: FormField, text: string | undefined): Html {
  const hint = help && html`<span class="quiet small">${help}</span>`
  const shown = text ?? (field.initial === undefined ? '' : textOf(field.initial))
  const must = required ? html`required` : null
  const called = `form.${name}`
  if (kind === 'boolean')
    return html`<label class="check">
      <input type="hidden" name="${called}" value="off" /><input
        type="checkbox"
        name="${called}"
        value="on"
        ${shown === 'true' || shown === 'on' ? html`checked` : null}
      />
      <span>${title} ${hint}</span>
    </label>`
  if (kind === 'choice')
    return html`<label
      >${title} ${hint}
      <select name="${called}" ${must}>
        <option value="">–</option>
        ${field.choices.map((choice) => html`<option ${choice === shown ? html`selected` : null}>${choice}</option>`)}
      </select>
    </label>`
  if (kind === 'number')
    return html`<label
      >${title} ${hint}
      <input
        type="number"
        step="${field.step}"
        name="${called}"
        value="${shown}"
        ${must}
        ${field.minimum === null ? null : html`min="${field.minimum}"`}
        ${field.maximum === null ? null : html`max="${field.maximum}"`}
      />
    </label>`
  return html`<label>${title} ${hint}<input name="${called}" value="${shown}" ${must} /></label>`
}

const DEPTH = 3
const ITEMS = 12

/** JSON as a person reads it: names and values, long and deep parts left out. */
function valueOf(value: unknown, depth: number): Html {
  if (typeof value !== 'object' || value === null) return html`${textOf(value)}`
  const entries = Object.entries(value)
  if (depth >= DEPTH) return html`<span class="quiet">${entries.length} more</span>`
  const rest = entries.length - ITEMS
  return html`<dl>
    ${entries.slice(0, ITEMS).map(
      ([name, part]) =>
        html`<dt>${name}</dt>
          <dd>${valueOf(part, depth + 1)}</dd>`,
    )}
    ${
      rest > 0 &&
      html`<dt></dt>
        <dd class="quiet">and ${rest} more</dd>`
    }
  </dl>`
}

/** Digests are shown as far as they tell things apart. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : value
  return JSON.stringify(value)
}
