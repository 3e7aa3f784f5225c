/** HTML by tagged template: whatever is put in is escaped, unless it is markup made here. */

/** Markup that needs no escaping any more. */
export class Html {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text
  }
}

/** null, undefined and false print nothing; lists print their parts one after the other. */
export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[]

/** `` html`<td>${name}</td>` ``: safe as text and inside double-quoted attributes. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = parts[0] ?? ''
  values.forEach((value, i) => (text += print(value) + (parts[i + 1] ?? '')))
  return new Html(text)
}

/** Takes a text as markup. Only for constants of ours. */
export function raw(text: string): Html {
  return new Html(text)
}

function print(value: HtmlValue): string {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(print).join('')
  if (value === null || value === undefined || value === false) return ''
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
