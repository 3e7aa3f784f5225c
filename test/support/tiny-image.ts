/** An image with nothing but bash: a tar as `docker save` writes it, made without a container engine. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Writes the image `name` to the file `tar`; containers of it run bash and what bash can do by itself. */
export async function writeTinyImage(name: string, tar: string): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-image-'))
  try {
    const { stdout } = await run('ldd', ['/bin/bash'])
    const libraries = stdout.match(/(?<=^\s*|=> )\/\S+/gm) ?? []
    const layer = path.join(folder, 'layer.tar')
    await run('tar', ['--dereference', '-cf', layer, '-C', '/', 'bin/bash', ...libraries.map((file) => file.slice(1))])
    const digest = createHash('sha256')
      .update(await readFile(layer))
      .digest('hex')
    const architecture = { x64: 'amd64' }[process.arch as string] ?? process.arch
    const config = { architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] } }
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config))
    const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]
    await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest))
    await run('tar', ['-cf', tar, '-C', folder, 'config.json', 'layer.tar', 'manifest.json'])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
