/** Archives made by script, hostile ones too: names and sizes are written exactly as given. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'

export interface ArchiveEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface ZipEntry extends ArchiveEntry {
  /** What the entry says of its unpacked size; the truth where it is left out. */
  readonly claimedBytes?: number
  /** Whether the entry says that it is encrypted. */
  readonly encrypted?: boolean
}

/** A zip with every entry deflated (PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16). */
export function zipOf(entries: readonly ZipEntry[]): Uint8Array {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, bytes, claimedBytes = bytes.length, encrypted = false } of entries) {
    const body = deflateRawSync(bytes)
    const facts = Buffer.alloc(26)
    facts.writeUInt16LE(20, 0)
    facts.writeUInt16LE(0x0800 | (encrypted ? 1 : 0), 2)
    facts.writeUInt16LE(8, 4)
    facts.writeUInt32LE(crc32(bytes), 10)
    facts.writeUInt32LE(body.length, 14)
    facts.writeUInt32LE(claimedBytes, 18)
    facts.writeUInt16LE(Buffer.byteLength(name), 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    const here = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), facts, Buffer.from(name), body])
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), facts, place, Buffer.from(name)]))
    local.push(here)
    offset += here.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06', 'latin1'), end])
}

export async function tarOf(
  entries: readonly (ArchiveEntry & Partial<Pick<Header, 'type' | 'linkname'>>)[],
): Promise<Uint8Array> {
  const tar = pack()
  for (const { name, bytes, type, linkname } of entries) {
    const header = { name, mtime: new Date(0), ...(type ? { type } : {}), ...(linkname ? { linkname } : {}) }
    if (type && type !== 'file') tar.entry(header)
    else tar.entry(header, Buffer.from(bytes))
  }
  tar.finalize()
  const parts: Buffer[] = []
  for await (const part of tar as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

export async function tarGzOf(entries: readonly ArchiveEntry[]): Promise<Uint8Array> {
  return gzipSync(await tarOf(entries))
}
