/** A Python of three lines of shell: it has the modules that it is told to have, and makes environments of its own kind. */

import { chmod, writeFile } from 'node:fs/promises'

export interface FakePython {
  /** What asking for modules prints: those that it lacks. */
  readonly lacks?: string
  /** The last words of pip, which then fails. */
  readonly pipFails?: string
}

export async function writeFakePython(file: string, { lacks = '', pipFails = '' }: FakePython = {}): Promise<void> {
  const script = `#!/bin/sh
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") echo "$@" >> "$0.calls"; ${pipFails ? `echo "${pipFails}" >&2; exit 1` : ':'} ;;
  *json*) echo "{\\"python\\": \\"$0\\", \\"torch\\": \\"2.15.0\\", \\"device\\": \\"cpu\\"}" ;;
  *) echo "${lacks}" ;;
esac
`
  await writeFile(file, script)
  await chmod(file, 0o755)
}
