/**
 * One layer of an image: files, folders and links in memory by name, bytes on disk until they are written. The same
 * content gives the same bytes: names in order, no times, no owners.
 */
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { withoutSymbols } from './elf.mjs'

const BLOCK_BYTES = 1 << 20
/** No time, no owner. */
const NOBODYS = { mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' }

export class Layer {
  #entries = new Map()
  /** Of what it holds now. */
  #measured

  /** Folders above an entry come by themselves. */
  folder(name, mode = 0o755) {
    return this.#put(name, { type: 'directory', mode })
  }

  /** @param data - text or bytes. */
  text(name, data, mode = 0o644) {
    const bytes = Buffer.from(data)
    return this.#put(name, { type: 'file', mode, size: bytes.length, blocks: () => [bytes] })
  }

  link(name, target) {
    return this.#put(name, { type: 'symlink', mode: 0o777, linkname: target })
  }

  /** A file of this machine; programs and libraries come without their symbol tables. */
  file(name, source) {
    const stat = statSync(source)
    const mode = stat.mode & 0o111 ? 0o755 : 0o644
    const slim = withoutSymbols(source)
    const size = slim?.sizeBytes ?? stat.size
    return this.#put(name, { type: 'file', mode, size, blocks: () => blocksOf(source, size, slim?.head) })
  }

  /** @param keep - tells by its path below `source` whether a file or folder is taken. */
  tree(name, source, keep = () => true) {
    for (const entry of readdirSync(source, { withFileTypes: true })) {
      const [at, from] = [path.posix.join(name, entry.name), path.join(source, entry.name)]
      if (!keep(entry.name, from)) continue
      if (entry.isDirectory()) this.tree(at, from, keep)
      else if (lstatSync(from).isFile()) this.file(at, from)
    }
    return this
  }

  /** Names of the files that it holds, in order. */
  get files() {
    return [...this.#entries]
      .filter(([, { type }]) => type === 'file')
      .map(([name]) => name)
      .sort()
  }

  /** The layer as a tar stream; each call makes a new one. */
  stream() {
    const tar = pack()
    void this.#fill(tar).catch((error) => tar.destroy(error))
    return tar
  }

  /** @returns its digest (hex) and size, by writing it to nowhere. */
  measure() {
    return (this.#measured ??= this.#measure())
  }

  async #measure() {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const chunk of this.stream()) {
      hash.update(chunk)
      sizeBytes += chunk.length
    }
    return { digest: hash.digest('hex'), sizeBytes }
  }

  #put(name, entry) {
    const parent = path.posix.dirname(name)
    if (parent !== '.' && !this.#entries.has(parent)) this.folder(parent)
    this.#entries.set(name, entry)
    this.#measured = undefined
    return this
  }

  async #fill(tar) {
    for (const [name, { blocks, ...entry }] of [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const sink = tar.entry({ ...NOBODYS, ...entry, name: entry.type === 'directory' ? `${name}/` : name })
      if (blocks) await pipeline(blocks, sink)
    }
    tar.finalize()
  }
}

function* blocksOf(source, size, head) {
  const fd = openSync(source, 'r')
  try {
    if (head) yield head
    for (let at = head?.length ?? 0; at < size;) {
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size - at))
      const read = readSync(fd, block, 0, block.length, at)
      if (read === 0) throw new Error(`${source} became shorter while it was read`)
      yield block.subarray(0, read)
      at += read
    }
  } finally {
    closeSync(fd)
  }
}
