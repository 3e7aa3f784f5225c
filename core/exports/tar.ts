/** Writes tar archives of small files fast: POSIX ustar (IEEE 1003.1-2008, "pax"), names up to 100 bytes behind a folder. */

const BLOCK = 512
const MAX_NAME_BYTES = 100

/** The parts of one entry, in order: header, bytes, padding. */
export function tarEntry(path: string, bytes: Uint8Array): readonly Uint8Array[] {
  const padding = (BLOCK - (bytes.length % BLOCK)) % BLOCK
  return [header(path, bytes.length), bytes, new Uint8Array(padding)]
}

/** What an archive ends with. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK)
}

function header(path: string, sizeBytes: number): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, digits: number): void =>
    void block.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  const slash = Buffer.byteLength(path) > MAX_NAME_BYTES ? path.lastIndexOf('/') : -1
  block.write(path.slice(slash + 1), 0, MAX_NAME_BYTES)
  octal(0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(sizeBytes, 124, 11)
  octal(0, 136, 11)
  block.write('        0', 148, 'latin1')
  block.write('ustar\0' + '00', 257, 'latin1')
  if (slash > 0) block.write(path.slice(0, slash), 345, 155)
  let sum = 0
  for (const byte of block) sum += byte
  octal(sum, 148, 6)
  block[154] = 0
  return block
}
