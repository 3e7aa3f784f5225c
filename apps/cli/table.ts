import Table from 'cli-table3'
import pc from 'picocolors'

const BARE = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
  ...{ 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
}

/** A list for people: a heading, one line a row; `empty` teaches the command that fills it. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  empty: string,
): string {
  if (rows.length === 0) return empty
  const drawn = new Table({
    chars: BARE,
    style: { 'padding-left': 0, 'padding-right': 0, compact: true, head: [], border: [] },
    head: headings.map((heading) => pc.dim(heading)),
    colAligns: headings.map((_, column) => (rows.every((row) => typeof row[column] === 'number') ? 'right' : 'left')),
  })
  for (const row of rows)
    drawn.push(row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)))
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
