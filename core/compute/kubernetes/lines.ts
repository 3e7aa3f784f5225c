/** Lines out of the chunks of a stream: watches and logs come as one line each. */

/**
 * @returns every line without its line feed; `whole` is false for what stands after the last line feed when the stream ends
 *   cleanly. A stream that breaks gives no such rest, and rejects.
 */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<{ text: string; whole: boolean }> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n')
    for (const part of parts.slice(0, -1)) {
      yield { text: rest + part, whole: true }
      rest = ''
    }
    rest += parts.at(-1) ?? ''
  }
  if (rest) yield { text: rest, whole: false }
}
