/** Turns what a stranger's file says into names, boxes and attributes that a dataset can hold, or into nothing. */
import type { Box } from '#core/datasets'
import { canonicalJson } from '#core/storage'
import { MAX_ATTRIBUTES_OF_IMAGE, MAX_COORDINATE, MAX_NAME, MAX_TEXT } from './bounds.ts'
import type { Notes } from './notes.ts'

export type DraftBox = Omit<Box, 'digest' | 'number'>
export type AttributeValue = string | number | boolean
export type Attributes = Readonly<Record<string, AttributeValue>>

/** A name of a class or tag: Unicode NFC, on one line. @returns null where the value cannot be one. */
export function nameOf(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null
  const name = String(value).normalize('NFC').replace(/\s+/g, ' ').trim()
  return name === '' || name.length > MAX_NAME || /[\p{Cc}\p{Cs}]/u.test(name) ? null : name
}

/** A number, also where it is written as text. */
export function numberOf(value: unknown): number | null {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN
  return Number.isFinite(number) ? number : null
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * @param corners - x, y, width and height, in pixels of the upright image.
 * @returns null, with a note, where it is no box.
 */
export function boxOf(
  name: string | null,
  corners: readonly unknown[],
  attributes: Attributes,
  { notes, where }: { readonly notes: Notes; readonly where: string },
): DraftBox | null {
  const [x, y, width, height] = corners.map(numberOf)
  const sound = x != null && y != null && width != null && height != null && width > 0 && height > 0
  const near = sound && [x, y, x + width, y + height].every((value) => Math.abs(value) <= MAX_COORDINATE)
  if (!near) notes.add('a box without four sound numbers, or without an area, was left out', where)
  else if (name === null) notes.add('a box without a class was left out', where)
  else return { class: name, x, y, width, height, attributes: attributesText(attributes), origin: 'imported' }
  return null
}

function attributesText(attributes: Attributes): string | null {
  return Object.keys(attributes).length === 0 ? null : canonicalJson(attributes)
}

/** What of an object can be attributes: flat values under names of bounded length. */
export function attributesOf(
  value: Iterable<readonly [string, unknown]>,
  { notes, where }: { readonly notes: Notes; readonly where: string },
): Attributes {
  const attributes: Record<string, AttributeValue> = {}
  let kept = 0
  for (const [key, given] of value) {
    if (given === null || given === undefined || given === '') continue
    const name = nameOf(key)
    const plain = typeof given === 'string' ? given.normalize('NFC').slice(0, MAX_TEXT) : given
    if (name === null || name === '__proto__') notes.add('an attribute without a usable name was left out', where)
    else if (
      typeof plain !== 'string' &&
      typeof plain !== 'boolean' &&
      !(typeof plain === 'number' && Number.isFinite(plain))
    )
      notes.add(`"${name}" holds lists or objects, which attributes cannot`, where)
    else if (++kept > MAX_ATTRIBUTES_OF_IMAGE) notes.add('attributes beyond the hundredth were left out', where)
    else attributes[name] = plain
  }
  return attributes
}
