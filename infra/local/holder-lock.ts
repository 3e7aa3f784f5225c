/**
 * A lock that a dead holder loses: a folder in which each holder creates the next number, create-only, so that of
 * several that find a dead holder exactly one follows it.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { isAlive, thisProcess, type ProcessIdentity } from '#core/compute'

export class HolderLock {
  constructor(private readonly folder: string) {}

  /** The living process that holds it, or null. */
  holder(): ProcessIdentity | null {
    const newest = this.#numbers().at(-1)
    const owner = newest === undefined ? null : this.#read(newest)
    return owner && isAlive(owner) ? owner : null
  }

  /** @returns how to let go; null when a living process has it. */
  acquire(): (() => void) | null {
    mkdirSync(this.folder, { recursive: true })
    for (;;) {
      const numbers = this.#numbers()
      if (this.holder()) return null
      const mine = (numbers.at(-1) ?? 0) + 1
      const won = this.#create(mine)
      // A slower one may have re-created a number below a living holder's; only the highest counts.
      if (won && this.#numbers().at(-1) === mine) {
        for (const old of numbers) this.#remove(old)
        return () => this.#remove(mine)
      }
      if (won) this.#remove(mine)
    }
  }

  #numbers(): number[] {
    try {
      return readdirSync(this.folder)
        .flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
        .sort((a, b) => a - b)
    } catch {
      return [] // Nobody ever held it.
    }
  }

  #read(number: number): ProcessIdentity | null {
    try {
      return JSON.parse(readFileSync(this.#file(number), 'utf8')) as ProcessIdentity
    } catch {
      return null // Released meanwhile.
    }
  }

  #create(number: number): boolean {
    const draft = path.join(this.folder, `draft-${process.pid}`)
    writeFileSync(draft, JSON.stringify(thisProcess()))
    return createOnce(draft, this.#file(number))
  }

  #remove(number: number): void {
    rmSync(this.#file(number), { force: true })
  }

  #file(number: number): string {
    return path.join(this.folder, `${String(number).padStart(9, '0')}.json`)
  }
}

/** Gives a finished draft its name unless the name is taken; the draft is gone afterwards. */
export function createOnce(draft: string, target: string): boolean {
  try {
    linkSync(draft, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}
