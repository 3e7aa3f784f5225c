import { html, raw, type Html } from './markup.ts'

export interface DocumentOptions {
  readonly title: string
  /** One line under the title: what it is of. */
  readonly subtitle: Html | string
  readonly body: Html
  /** CSS of this page alone, on top of the shared tokens. */
  readonly style?: string
}

/**
 * The frame of every page that Gyre writes to a file. Colours, type and spacing are tokens; the contrast of every text
 * is at least 4.5 : 1 in light and dark. The policy lets it show inlined images and nothing else.
 */
export function htmlDocument({ title, subtitle, body, style = '' }: DocumentOptions): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        />
        <title>${title}</title>
        <style>
          ${raw(TOKENS + style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p>${subtitle}</p>
        </header>
        <main>${body}</main>
      </body>
    </html> `
  return page.text
}

const TOKENS = `
:root {
  color-scheme: light dark;
  --ground: oklch(0.985 0.002 260); --surface: oklch(1 0 0); --line: oklch(0.9 0.005 260);
  --text: oklch(0.25 0.01 260); --quiet: oklch(0.48 0.012 260);
  --accent: oklch(0.5 0.15 256); --good: oklch(0.47 0.11 150); --attention: oklch(0.5 0.1 70); --bad: oklch(0.5 0.18 27);
  --shadow: 0 1px 3px oklch(0.25 0.01 260 / 0.12);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: oklch(0.19 0.008 260); --surface: oklch(0.235 0.009 260); --line: oklch(0.34 0.01 260);
    --text: oklch(0.93 0.005 260); --quiet: oklch(0.74 0.01 260);
    --accent: oklch(0.77 0.11 256); --good: oklch(0.78 0.13 150); --attention: oklch(0.8 0.12 75); --bad: oklch(0.76 0.13 25);
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 24px 48px; max-width: 1120px; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
h1, h2 { margin: 0; line-height: 1.25; font-weight: 600; text-wrap: balance; }
h1 { font-size: 24px; } h2 { font-size: 18px; }
p { margin: 0; } a { color: var(--accent); }
header { margin-bottom: 24px; } header p, .quiet { color: var(--quiet); }
section { margin-top: 32px; } section > h2 + p { margin-top: 4px; max-width: 72ch; color: var(--quiet); }
section > h2 ~ :is(.scroll, .grid, .figures) { margin-top: 12px; }
small, .small, th, figcaption { font-size: 13px; }
code { font: 13px/1.5 ui-monospace, monospace; }
.card { padding: 16px; background: var(--surface); border: 1px solid var(--line); border-radius: 6px; box-shadow: var(--shadow); }
.scroll { overflow-x: auto; background: var(--surface); border: 1px solid var(--line); border-radius: 6px; box-shadow: var(--shadow); }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 8px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child > * { border-bottom: 0; }
th { color: var(--quiet); font-weight: 500; }
th:first-child, td:first-child, .left { text-align: left; }
tbody th { color: var(--text); font-size: 15px; font-weight: 400; }
.bar { display: inline-block; vertical-align: middle; width: 96px; height: 6px; border-radius: 3px; background: var(--line); }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--accent); }
.share { display: inline-block; min-width: 72px; }
.good { color: var(--good); } .bad { color: var(--bad); } .attention { color: var(--attention); }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
figure { margin: 0; padding: 8px; background: var(--surface); border: 1px solid var(--line); border-radius: 6px; }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 3px;
  background: repeating-conic-gradient(oklch(0.6 0 0 / 0.14) 0 25%, transparent 0 50%) 0 0 / 16px 16px; }
figcaption { margin-top: 8px; line-height: 1.4; }
@media (max-width: 560px) { body { padding: 16px 12px 32px; } th, td { padding: 8px; } .bar { display: none; } .grid { grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); gap: 8px; } }
@media print { body { background: none; } .scroll, .card { box-shadow: none; } }
`
