/** What a line of a log says to people: its level and its words. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Spoken {
  readonly level: LogLevel
  /** What was said; fields beside the message follow it as JSON. */
  readonly text: string
}

/** What our loggers put on every line and nobody needs to read twice. */
const USUAL = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'runId', 'nodeId'])

/** A line of one of our loggers as its words; any other line as it is. */
export function spokenIn(line: string): Spoken {
  const fields = fieldsOf(line)
  if (!fields) return { level: 'info', text: line }
  const rest = Object.entries(fields).filter(([name]) => !USUAL.has(name))
  const words = [
    typeof fields['msg'] === 'string' ? fields['msg'] : '',
    rest.length > 0 ? JSON.stringify(Object.fromEntries(rest)) : '',
  ]
  return { level: levelOf(fields.level), text: words.filter(Boolean).join(' ') }
}

type Fields = Readonly<Record<string, unknown>> & { readonly level: number }

/** The fields of a line that one of our loggers wrote; null for anything else. */
function fieldsOf(line: string): Fields | null {
  if (!line.startsWith('{"level":')) return null
  try {
    const fields = JSON.parse(line) as Fields
    return typeof fields.level === 'number' && 'time' in fields ? fields : null
  } catch {
    return null
  }
}

function levelOf(level: number): LogLevel {
  if (level >= 50) return 'error'
  if (level >= 40) return 'warn'
  return level >= 30 ? 'info' : 'debug'
}
