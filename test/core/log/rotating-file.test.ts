import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RotatingFile } from '#core/log'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-log-'))
  file = path.join(folder, 'api.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

const read = (suffix = '') => readFileSync(`${file}${suffix}`, 'utf8')

describe('a rotating file', () => {
  it('goes on where the former process stopped', () => {
    for (const text of ['one\n', 'two\n']) {
      const log = new RotatingFile(file)
      log.write(Buffer.from(text))
      log.close()
    }
    expect(read()).toBe('one\ntwo\n')
  })

  it('moves a full file aside and keeps lines whole', () => {
    const log = new RotatingFile(file, { maxBytes: 10, keep: 3 })
    for (const text of ['aaaa\nbb', 'bb\ncccc\n', 'dddd\n']) log.write(Buffer.from(text))
    expect([read('.1'), read()]).toEqual(['aaaa\nbbbb\n', 'cccc\ndddd\n'])
  })

  it('keeps so many files and no more, however much is written', () => {
    const log = new RotatingFile(file, { maxBytes: 1_000, keep: 3 })
    for (let line = 0; line < 1_000; line++) log.write(Buffer.from(`line ${String(line).padStart(44, '0')}\n`))
    expect(readdirSync(folder).sort()).toEqual(['api.log', 'api.log.1', 'api.log.2'])
    for (const name of readdirSync(folder)) expect(statSync(path.join(folder, name)).size).toBeLessThanOrEqual(1_000)
    expect(read()).toContain('999\n')
  })

  it('gives a line that is longer than a file one of its own', () => {
    const log = new RotatingFile(file, { maxBytes: 10, keep: 3 })
    for (const text of ['short\n', `${'x'.repeat(30)}\n`, 'after\n']) log.write(Buffer.from(text))
    expect([read('.2'), read('.1'), read()]).toEqual(['short\n', `${'x'.repeat(30)}\n`, 'after\n'])
  })

  it('is readable by its owner alone', () => {
    new RotatingFile(file).write(Buffer.from('x'))
    expect(statSync(file).mode & 0o077).toBe(0)
  })

  it('does not stop its process where nothing can be written', () => {
    rmSync(folder, { recursive: true })
    new RotatingFile(file).write(Buffer.from('lost\n'))
    expect(existsSync(file)).toBe(false)
    folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-log-'))
  })
})
