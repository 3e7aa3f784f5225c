/** How numbers are written on pages. Spaces inside a figure do not break. */

import { html, type Html } from './markup.ts'

/** `0.966` → `96.6 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}\u00a0%`
}

/** `2400` → `2,400`. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** A share as a bar and in figures, aligned with the ones above and below it. */
export function shareBar(share: number): Html {
  return html`<span class="bar"><i style="width:${(100 * share).toFixed(1)}%"></i></span
    ><span class="share">${percent(share)}</span>`
}

/** A table in a frame. A wide one scrolls by itself, also by keyboard, so that the page never does. */
export function table(name: string, content: Html): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">
    <table>
      ${content}
    </table>
  </div>`
}
