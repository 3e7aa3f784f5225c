/** Writes packs anew without the bytes of one image, and finds packs that hold it though no version says so. */

import { constants } from 'node:fs'
import { chmod, copyFile, mkdtemp, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { currentPack, replacePack } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { blobKey, putBlobFile, type ObjectStore } from '#core/storage'
import { blobAt } from './layout.ts'
import type { BytesPlace } from './find-image.ts'

const BLOCK = 512

/**
 * Puts zeros in place of the image, in a copy of the pack that keeps all other places valid, lets that copy stand in for
 * the pack, and removes the pack and every earlier copy. Done again after a crash, it finishes what was begun.
 *
 * @returns false when no such pack is there any more.
 */
export async function eraseFromPack(
  store: ObjectStore,
  { pack, offset, sizeBytes }: BytesPlace,
  scratchDir: string,
): Promise<boolean> {
  for (;;) {
    const current = await currentPack(store, pack)
    const copy = await withoutImage(store, current, { offset, sizeBytes }, scratchDir)
    if (copy === null) return false
    if (copy !== current) await replacePack(store, current, copy)
    // Two deletions at once: the other's copy may stand in its place, with our image in it.
    if ((await currentPack(store, pack)) !== copy) continue
    for (let former = pack; former !== copy; former = await successor(store, former))
      await store.delete(blobKey(former))
    return true
  }
}

async function successor(store: ObjectStore, pack: string): Promise<string> {
  const { pack: next } = JSON.parse(Buffer.from(await store.get(`blobs/replaced/${pack}.json`)).toString()) as {
    pack: string
  }
  return next
}

async function withoutImage(
  store: ObjectStore,
  pack: string,
  { offset, sizeBytes }: Omit<BytesPlace, 'pack'>,
  scratchDir: string,
): Promise<string | null> {
  const directory = await mkdtemp(path.join(scratchDir, 'erase-'))
  try {
    const stored = await store.localFile(blobKey(pack), directory).catch((error: unknown) => {
      if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
      throw error
    })
    if (stored === null) return null
    const file = path.join(directory, 'pack.tar')
    await copyFile(stored, file, constants.COPYFILE_FICLONE)
    await chmod(file, 0o600)
    const handle = await open(file, 'r+')
    try {
      await handle.write(new Uint8Array(sizeBytes), 0, sizeBytes, offset)
    } finally {
      await handle.close()
    }
    return (await putBlobFile(store, file)).sha256
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Packs that no version names, of imports that died or are under way, that hold the image. */
export async function strayPlaces(
  store: ObjectStore,
  digest: string,
  known: ReadonlySet<string>,
): Promise<readonly BytesPlace[]> {
  const places: BytesPlace[] = []
  for await (const { key, sizeBytes } of store.list('blobs/sha256/')) {
    const pack = blobAt(key)
    if (pack === null || known.has(pack) || sizeBytes < 2 * BLOCK) continue
    for await (const entry of entriesOf(store, key, sizeBytes))
      if (entry.name.startsWith(digest)) places.push({ pack, offset: entry.offset, sizeBytes: entry.sizeBytes })
  }
  return places
}

interface PackEntry {
  readonly name: string
  readonly offset: number
  readonly sizeBytes: number
}

/** Of a pack of ours; none of another blob. */
async function* entriesOf(store: ObjectStore, key: string, packBytes: number): AsyncIterable<PackEntry> {
  for (let at = 0; at + BLOCK <= packBytes;) {
    const header = Buffer.from(await store.getRange(key, at, BLOCK))
    const name = header.subarray(0, 100).toString('latin1').replace(/\0.*$/s, '')
    const isOurs = /^[0-9a-f]{64}\.[a-z]+$/.test(name) && header.subarray(257, 262).toString('latin1') === 'ustar'
    if (!isOurs) return
    const sizeBytes = parseInt(header.subarray(124, 135).toString('latin1'), 8)
    yield { name, offset: at + BLOCK, sizeBytes }
    at += BLOCK + Math.ceil(sizeBytes / BLOCK) * BLOCK
  }
}
