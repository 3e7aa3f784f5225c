/** Small XML of strangers: elements and their text alone, without document types, entities of their own, or depth. */
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { isRecord } from './values.ts'

/** Element names to elements: text, an object, or a list of either where a name occurs more than once. */
export type XmlElement = Readonly<Record<string, unknown>>

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  processEntities: true, // The five of XML itself: a document with others is refused before.
  maxNestedTags: 32,
})

/** @returns null where the text is no XML, or declares a document type or entities. */
export function readXml(text: string): XmlElement | null {
  if (/<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST)/i.test(text)) return null
  try {
    if (XMLValidator.validate(text) !== true) return null
    const root: unknown = parser.parse(text)
    return isRecord(root) ? root : null
  } catch {
    return null // Deeper than its bound, or not to be made sense of.
  }
}

/** All elements of a name, whether there is none, one or several. */
export function elementsOf(parent: unknown, name: string): readonly unknown[] {
  if (!isRecord(parent) || !Object.hasOwn(parent, name)) return []
  const found = parent[name]
  return Array.isArray(found) ? found : [found]
}

/** The text of the first element of a name; null where there is none. */
export function textOfElement(parent: unknown, name: string): string | null {
  const [first] = elementsOf(parent, name)
  return typeof first === 'string' ? first.trim() : null
}
