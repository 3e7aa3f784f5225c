/** Bytes of annotation files as text and as bounded pieces. */

/** UTF-8, or UTF-16 where its mark says so; bytes that fit neither become U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  return new TextDecoder().decode(bytes)
}

const LINE_END = 0x0a

/** Every line that is not empty, with its number from 1; one longer than `maxBytes` is given as null. */
export function* linesOf(bytes: Uint8Array, maxBytes: number): Iterable<{ number: number; text: string | null }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let number = 0
  for (let from = 0; from < buffer.length;) {
    const found = buffer.indexOf(LINE_END, from)
    const to = found < 0 ? buffer.length : found
    number++
    if (to - from > maxBytes) yield { number, text: null }
    else {
      const text = buffer
        .toString('utf8', from, to)
        .replace(/^\ufeff/, '')
        .trim()
      if (text !== '') yield { number, text }
    }
    from = to + 1
  }
}
