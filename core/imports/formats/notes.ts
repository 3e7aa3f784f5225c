/** Gathers what a reader did not understand: each kind of trouble once, counted, with the first place it was met. */

/** Kinds that are told apart; what comes after them is only counted. */
const MAX_KINDS = 50
const MAX_PLACE = 120

export class Notes {
  readonly #kinds = new Map<string, { times: number; first: string | null }>()
  #others = 0

  /**
   * @param what - one sentence without its full stop, the same for all cases of a kind.
   * @param where - a file, or a place in one.
   */
  add(what: string, where: string | null = null, times = 1): void {
    const known = this.#kinds.get(what)
    if (known) known.times += times
    else if (this.#kinds.size < MAX_KINDS) this.#kinds.set(what, { times, first: where })
    else this.#others += times
  }

  sentences(): readonly string[] {
    const sentences = [...this.#kinds].map(([what, { times, first }]) => {
      const place = first === null ? '' : ` ${times > 1 ? 'first ' : ''}in ${shown(first)}`
      const count = times > 1 ? ` ${times} times,` : ''
      return count || place ? `${what} (${`${count}${place}`.trim().replace(/,$/, '')})` : what
    })
    return this.#others > 0 ? [...sentences, `and ${this.#others} more of other kinds`] : sentences
  }
}

/** Names are a stranger's: control characters would disturb a terminal. */
function shown(place: string): string {
  const plain = place.replace(/[\p{Cc}\p{Cf}]/gu, '�')
  return plain.length > MAX_PLACE ? `…${plain.slice(-MAX_PLACE)}` : plain
}
