/** Self-contained pages for people to keep and to send: reports and galleries. No scripts, no requests, light and dark. */

export { count, percent, shareBar, table } from './figures.ts'
export { html, raw, type Html, type HtmlValue } from './markup.ts'
export { htmlDocument, type DocumentOptions } from './document.ts'
