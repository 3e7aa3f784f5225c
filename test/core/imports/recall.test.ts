/** How many copies of each kind are found, on a made set: the table of docs/imports.md, in small. */
import sharp, { type Sharp } from 'sharp'
import { expect, it } from 'vitest'
import { inspectImage, perceptualHash } from '#core/images'
import { groupNearDuplicates, type Look } from '../../../core/imports/near-duplicates.ts'
import { scene } from '../../support/images.ts'

const SIDE = 160
const SCENES = 30

/** Scenes with their least recall at the usual threshold. */
const kinds: readonly (readonly [name: string, least: number, make: (image: Sharp, number: number) => Sharp])[] = [
  ['JPEG of quality 30', 0.95, (image) => image.jpeg({ quality: 30 })],
  ['a quarter of the size', 0.95, (image) => image.resize(SIDE / 4).png()],
  ['brighter by 20 levels', 0.85, (image) => image.linear(1, 20).png()],
  ['darker by 30 %', 0.9, (image) => image.linear(0.7, 0).png()],
  ['mirrored', 0.95, (image) => image.flop().jpeg()],
  ['upside down', 0.95, (image) => image.flip().jpeg()],
  ['a piece of 95 %', 0.6, (image, number) => piece(image, number, 0.95)],
  ['a piece of 90 %', 0.6, (image, number) => piece(image, number, 0.9)],
  ['a piece of 85 %', 0.6, (image, number) => piece(image, number, 0.85)],
]

function piece(image: Sharp, number: number, share: number): Sharp {
  const side = Math.round(SIDE * share)
  const room = SIDE - side + 1
  return image.extract({ left: (7 * number) % room, top: (13 * number) % room, width: side, height: side }).jpeg()
}

async function lookOf(bytes: Uint8Array, digest: string): Promise<Look & { readonly grey32: Uint8Array }> {
  const { grey32, width, height } = await inspectImage(bytes)
  return { digest, grey32, look: perceptualHash(grey32), isLarge: Math.min(width, height) >= 128 }
}

it('copies of an image are found whatever was done to them, and nothing is taken for a copy that is none', async () => {
  const shape = { width: SIDE, height: SIDE, channels: 3 } as const
  const scenes = Array.from({ length: SCENES }, (_, i) => sharp(scene(i + 1, shape), { raw: shape }))
  const originals = await Promise.all(
    scenes.map(async (image, i) => lookOf(await image.clone().png().toBuffer(), `o${i}`)),
  )
  const recall: Record<string, number> = {}
  for (const [name, , make] of kinds) {
    const copies = await Promise.all(
      scenes.map(async (image, i) => lookOf(await make(image.clone(), i).toBuffer(), `v${i}`)),
    )
    const all = new Map([...originals, ...copies].map((each) => [each.digest, each.grey32]))
    const { groupOf } = await groupNearDuplicates([...originals, ...copies], [], {
      from: 0.98,
      bounds: { least: SCENES * 2, largestShare: 1, groupedShare: 1 },
      greysOf: (digests) => Promise.resolve(new Map(digests.map((digest) => [digest, all.get(digest)!]))),
    })
    const found = scenes.filter((_, i) => groupOf.get(`v${i}`) === groupOf.get(`o${i}`)).length
    recall[name] = found / SCENES
    for (const [digest, group] of groupOf) expect(group.slice(1), `${name}: ${digest}`).toBe(digest.slice(1))
  }
  for (const [name, least] of kinds) expect(recall[name], name).toBeGreaterThanOrEqual(least)
})
