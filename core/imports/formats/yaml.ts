/** Small YAML of strangers: plain data alone, without tags and without aliases, which can blow a page up to gigabytes. */
import { parseDocument } from 'yaml'

/** @returns null where the text is no YAML, or uses tags, anchors or several documents. */
export function readYaml(text: string): unknown {
  try {
    const document = parseDocument(text, {
      schema: 'core',
      merge: false,
      customTags: [],
      logLevel: 'silent',
      uniqueKeys: true,
    })
    if (document.errors.length > 0 || document.warnings.length > 0) return null
    return document.toJS({ maxAliasCount: 0 }) as unknown
  } catch {
    return null // An alias, or more levels than the stack has.
  }
}
