import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildImages, type BuiltImage } from '../../infra/images/build.mjs'
import { librariesOf, withoutSymbols } from '../../infra/images/elf.mjs'
import { writeImage } from '../../infra/images/image-tar.mjs'
import { Layer } from '../../infra/images/layer.mjs'
import { productLayer } from '../../infra/images/layers.mjs'
import { addPackage, packageName, packagesFor } from '../../infra/images/packages.mjs'
import { roles, USER } from '../../infra/images/roles.mjs'

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')
const onLinux = process.platform === 'linux'
/** Entering an image takes root; building one with the supervisor takes Go. */
const canEnter = onLinux && process.getuid?.() === 0 && spawnSync('go', ['version']).status === 0

let folder: string

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-images-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const whole = path.join(folder, name)
  mkdirSync(path.dirname(whole), { recursive: true })
  writeFileSync(whole, text)
  return whole
}

async function listed(layer: Layer): Promise<string[]> {
  const tar = path.join(folder, 'listed.tar')
  await pipeline(layer.stream(), createWriteStream(tar))
  return (await run('tar', ['--numeric-owner', '--utc', '--full-time', '-tvf', tar])).stdout.trimEnd().split('\n')
}

async function sha256Of(whole: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(whole), hash)
  return hash.digest('hex')
}

describe('a layer', () => {
  it('holds what it was given, in order of names, without times and owners', async () => {
    const program = file('program', 'text')
    chmodSync(program, 0o751)
    const layer = new Layer()
      .text('b/c', 'ü')
      .link('a', 'b/c')
      .folder('tmp', 0o1777)
      .file('b/program', program)
      .text('b/empty', '')
    expect((await listed(layer)).map((line) => line.replaceAll(/\s+/g, ' '))).toEqual([
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 a -> b/c',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 b/',
      '-rw-r--r-- 0/0 2 1970-01-01 00:00:00 b/c',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00:00 b/empty',
      '-rwxr-xr-x 0/0 4 1970-01-01 00:00:00 b/program',
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 tmp/',
    ])
    expect(layer.files).toEqual(['b/c', 'b/empty', 'b/program'])
  })

  it('has the same digest whatever the order that it was filled in, and another for other content', async () => {
    const one = await new Layer().text('a', '1').text('b', '2').measure()
    expect(await new Layer().text('b', '2').text('a', '1').measure()).toEqual(one)
    expect((await new Layer().text('a', '1').text('b', '3').measure()).digest).not.toBe(one.digest)
  })

  it('keeps names of more than a hundred bytes, and files of more than one block', async () => {
    const long = `${'folder-of-a-long-name/'.repeat(12)}${'x'.repeat(150)}`
    const big = file('big', 'y'.repeat((1 << 20) + 7))
    const [last] = (await listed(new Layer().file(long, big))).slice(-1)
    expect(last).toMatch(new RegExp(`1048583 .* ${long}$`))
  })
})

describe('an image', () => {
  it('is named by its content, is the same bytes each time, and is not written twice', async () => {
    const config = { User: '1', Cmd: ['a'] }
    const write = (where: string, text = 'one') =>
      writeImage(
        { repository: 'localhost/gyre-test', layers: [new Layer().text('a', text)], config },
        path.join(folder, where),
      )
    const [first, again, elsewhere, other] = [
      await write('here'),
      await write('here'),
      await write('there'),
      await write('here', 'two'),
    ]
    expect(first.name).toBe(`localhost/gyre-test:${first.digest.slice('sha256:'.length, 'sha256:'.length + 16)}`)
    expect([first.written, again.written, elsewhere.written]).toEqual([true, false, true])
    expect(await sha256Of(elsewhere.tar)).toBe(await sha256Of(first.tar))
    expect(other.digest).not.toBe(first.digest)
    expect(first.sizeBytes).toBe(statSync(first.tar).size)
  })

  it('has every blob under its digest, in the layouts of OCI and of docker save', async () => {
    const { tar, name, digest } = await writeImage(
      { repository: 'localhost/gyre-test', layers: [new Layer().text('a', '1')], config: {} },
      path.join(folder, 'blobs'),
    )
    const open = path.join(folder, 'open')
    mkdirSync(open)
    await run('tar', ['-xf', tar, '-C', open])
    const json = <T>(at: string) => JSON.parse(readFileSync(path.join(open, at), 'utf8')) as T
    const blob = (of: string) => `blobs/${of.replace(':', '/')}`
    const index = json<{ manifests: { digest: string; annotations: Record<string, string> }[] }>('index.json')
    expect(index.manifests[0]).toMatchObject({ digest, annotations: { 'io.containerd.image.name': name } })
    const manifest = json<{ config: { digest: string }; layers: { digest: string }[] }>(blob(digest))
    expect(json('manifest.json')).toEqual([
      { Config: blob(manifest.config.digest), RepoTags: [name], Layers: manifest.layers.map((l) => blob(l.digest)) },
    ])
    for (const one of [digest, manifest.config.digest, ...manifest.layers.map((l) => l.digest)])
      expect(`sha256:${await sha256Of(path.join(open, blob(one)))}`).toBe(one)
  })
})

describe.skipIf(!onLinux)('a program', () => {
  it('runs without its symbol tables', async () => {
    const slim = withoutSymbols(process.execPath)!
    expect(slim.sizeBytes).toBeLessThan(statSync(process.execPath).size)
    const layer = new Layer().file('node', process.execPath)
    const [line] = await listed(layer)
    expect(line).toContain(` ${slim.sizeBytes} `)
    await run('tar', ['-xf', path.join(folder, 'listed.tar'), '-C', folder])
    expect((await run(path.join(folder, 'node'), ['-p', '6 * 7'])).stdout).toBe('42\n')
  })

  it('needs a loader and a C library; text needs nothing', () => {
    expect(librariesOf(process.execPath).map((one) => path.basename(one))).toContain('libc.so.6')
    expect(withoutSymbols(file('script', '#!/bin/sh\n'))).toBeNull()
    expect(withoutSymbols(file('empty', ''))).toBeNull()
  })
})

describe('the packages of an image', () => {
  const install = (at: string, manifest: object) =>
    file(`project/node_modules/${at}/package.json`, JSON.stringify(manifest))

  it('are those imported and those that they depend on, the nearest of each name', () => {
    install('a', { name: 'a', dependencies: { b: '*', gone: '*' }, optionalDependencies: { gone: '*' } })
    install('b', { name: 'b', dependencies: { c: '*', heavy: '*' }, peerDependencies: { absent: '*' } })
    install('b/node_modules/c', { name: 'c', version: '1', dependencies: { '@s/d': '*' } })
    install('c', { name: 'c', version: '2' })
    install('@s/d', { name: '@s/d' })
    install('heavy', { name: 'heavy' })
    install('unused', { name: 'unused' })
    const found = packagesFor(path.join(folder, 'project'), ['a'], ['heavy'])
    expect(found).toEqual(['@s/d', 'a', 'b', 'b/node_modules/c'].map((name) => `node_modules/${name}`))
    expect(() => packagesFor(path.join(folder, 'project'), ['nowhere'])).toThrow(
      'nowhere, which the product needs, is not installed',
    )
  })

  it('come without typings, maps, tests and nested packages, but with their licences', () => {
    install('full', { name: 'full' })
    const names = ['index.js', 'index.d.ts', 'index.js.map', 'README.md', 'LICENSE.md', 'test/a.js', 'lib/test/b.js']
    for (const name of [...names, 'node_modules/other/index.js']) file(`project/node_modules/full/${name}`, '')
    const layer = new Layer()
    addPackage(layer, 'app', path.join(folder, 'project'), 'node_modules/full')
    expect(layer.files.map((name) => path.relative('app/node_modules/full', name))).toEqual([
      'LICENSE.md',
      'index.js',
      'lib/test/b.js',
      'package.json',
    ])
  })

  it('are found by what an import names', () => {
    expect(['zod', 'zod/v4', '@s/d', '@s/d/e/f'].map(packageName)).toEqual(['zod', 'zod', '@s/d', '@s/d'])
  })
})

/** Processes by image, with what they say when nothing is set: each must get as far as reading its settings. */
const PROCESSES = {
  worker: { worker: 'GYRE_STORE', job: 'GYRE_OUTPUT' },
  inference: { inference: 'GYRE_STORE', gateway: 'GYRE_STORE' },
  api: { api: 'GYRE_STORE', front: 'GYRE_STORE' },
} as const

describe.skipIf(!canEnter)('the images of this installation', { timeout: 300_000 }, () => {
  let images: Readonly<Record<string, BuiltImage>>

  beforeAll(async () => {
    const built = await buildImages({ out: path.join(folder, 'images') })
    images = Object.fromEntries(built.images.map((image) => [image.role, image]))
    for (const { role, tar } of built.images) await unpack(tar, path.join(folder, 'root', role))
  }, 300_000)

  async function unpack(tar: string, into: string): Promise<void> {
    const open = path.join(folder, 'unpacked')
    mkdirSync(open, { recursive: true })
    mkdirSync(into, { recursive: true })
    await run('tar', ['-xf', tar, '-C', open])
    const [{ Layers }] = JSON.parse(readFileSync(path.join(open, 'manifest.json'), 'utf8')) as [{ Layers: string[] }]
    for (const layer of Layers) await run('tar', ['-xf', path.join(open, layer), '-C', into])
    rmSync(open, { recursive: true })
  }

  /** Runs Node as the image's user with the image as its whole file system. */
  function inside(role: string, ...args: string[]) {
    const user = `--userspec=${USER.id}:${USER.id}`
    const command = [
      '-i',
      'HOME=/tmp',
      'NODE_ENV=production',
      '/usr/sbin/chroot',
      user,
      path.join(folder, 'root', role),
    ]
    const { status, stdout, stderr } = spawnSync('env', [...command, '/usr/local/bin/node', ...args], {
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }

  it('are the same bytes when they are built again', async () => {
    const [again] = (await buildImages({ out: path.join(folder, 'again'), only: ['inference'] })).images
    expect(again!.digest).toBe(images['inference']!.digest)
    expect(await sha256Of(again!.tar)).toBe(await sha256Of(images['inference']!.tar))
    const [same] = (await buildImages({ out: path.join(folder, 'again'), only: ['inference'] })).images
    expect(same!.written).toBe(false)
  })

  it.each(Object.keys(PROCESSES))('%s: everything that its code imports is there', async (role) => {
    const { leftOut } = roles[role]!
    const { imports } = await productLayer(roles[role]!)
    const packages = imports.filter((name) => !leftOut.includes(packageName(name)))
    const script = `
      import { readdirSync } from 'node:fs'
      const chunks = readdirSync('/app/dist/chunks').map((name) => '/app/dist/chunks/' + name)
      const missing = []
      for (const each of [...${JSON.stringify(packages)}, ...chunks])
        await import(each).catch((error) => missing.push(each + ': ' + error.message))
      console.log(JSON.stringify(missing))
      process.exit(0)`
    // Beside the product, so that names of packages are found as the product finds them.
    writeFileSync(path.join(folder, 'root', role, 'app/check.mjs'), script)
    expect(inside(role, '/app/check.mjs')).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    expect(packages).toContain('sharp')
  })

  it.each(
    Object.entries(PROCESSES).flatMap(([role, all]) => Object.entries(all).map((one) => [role, ...one] as const)),
  )('%s: dist/%s.js starts, and asks for %s', (role, entry, asked) => {
    const { status, stdout, stderr } = inside(role, `/app/dist/${entry}.js`)
    expect(status).toBeGreaterThan(0)
    expect(`${stdout}${stderr}`).toContain(asked)
    expect(`${stdout}${stderr}`).not.toMatch(/ERR_MODULE_NOT_FOUND|Cannot find (module|package)/)
  })

  it('compute natively: pictures, models, tables', () => {
    const script = `
      const sharp = (await import('sharp')).default
      const { length } = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } }).raw().toBuffer()
      const { Tensor } = await import('onnxruntime-node')
      const { DuckDBInstance } = await import('@duckdb/node-api')
      const rows = await (await (await DuckDBInstance.create(':memory:')).connect()).runAndReadAll('select 42')
      console.log(length, new Tensor('float32', [1], [1]).size, rows.getRows()[0][0])`
    writeFileSync(path.join(folder, 'root/worker/app/native.mjs'), script)
    expect(inside('worker', '/app/native.mjs')).toEqual({ status: 0, stdout: '192 1 42\n', stderr: '' })
  })

  it('carry the locked Node, certificate authorities and the supervisor, and the command line where people enter', async () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'infra/images/node.lock.json'), 'utf8')) as {
      version: string
    }
    const found = inside('inference', '-p', 'process.versions.node').stdout.trim()
    expect([version, process.versions.node]).toContain(found) // The one of this machine where npm cannot be reached.
    const authorities = path.join(folder, 'root/worker/etc/ssl/certs/ca-certificates.crt')
    expect(readFileSync(authorities, 'utf8').match(/BEGIN CERTIFICATE/g)!.length).toBeGreaterThan(100)
    expect(spawnSync(path.join(folder, 'root/worker/gyre/supervisor')).status).toBe(64)
    expect(existsSync(path.join(folder, 'root/inference/gyre'))).toBe(false)
    expect(inside('api', '/usr/local/bin/gyre', '--version').stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  it('stay small', () => {
    const megabytes = (role: string) => images[role]!.sizeBytes / 1e6
    expect(megabytes('worker')).toBeLessThan(350)
    expect(megabytes('inference')).toBeLessThan(210)
    expect(megabytes('api')).toBeLessThan(350)
  })
})

describe('published images', () => {
  const DIGEST = `sha256:${'a'.repeat(64)}`
  const script = path.join(root, 'infra/images/release.mjs')
  const bases = () => path.join(folder, 'bases.json')

  /** A stand-in for the engine: tells a digest for every base, and writes down how it was called. */
  function standIn(): NodeJS.ProcessEnv {
    const docker = file(
      'bin/docker',
      `#!/bin/sh\necho "$*" >>'${path.join(folder, 'calls')}'\n[ "$1" = build ] || echo ${DIGEST}\n`,
    )
    chmodSync(docker, 0o755)
    return { PATH: `${path.dirname(docker)}:/bin` }
  }

  async function release(...args: string[]) {
    const env = standIn()
    return run(process.execPath, [script, ...args, '--bases', bases()], { env }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    )
  }

  it('are refused while a base is not pinned, and built on digests once all are', async () => {
    const committed = JSON.parse(readFileSync(path.join(root, 'infra/images/bases.json'), 'utf8')) as Record<
      string,
      object
    >
    const open = Object.fromEntries(Object.entries(committed).map(([name, base]) => [name, { ...base, digest: null }]))
    writeFileSync(bases(), JSON.stringify(open))
    expect((await release('build', 'registry.example/team')).stderr).toMatch(
      /^docker\.io\/library\/golang:\S+ is not pinned; run `release\.mjs pin` and commit bases\.json\n$/,
    )
    expect(existsSync(path.join(folder, 'calls'))).toBe(false)

    await release('pin')
    rmSync(path.join(folder, 'calls'))
    const { stdout } = await release('build', 'registry.example/team', '--tag', '7')
    const images = ['worker', 'inference', 'api', 'trainer-base', 'trainer']
    const names = images.map((name) => `registry.example/team/gyre-${name}:7`)
    expect(stdout.trim().split('\n')).toEqual(names)
    const calls = readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n')
    expect(calls).toHaveLength(5)
    expect(calls[0]).toContain(`--target worker --build-arg SOURCE_DATE_EPOCH=0`)
    for (const call of calls) expect(call).toContain(`NODE_BASE=docker.io/library/node@${DIGEST}`)
  })

  it('take every base from the lock file', () => {
    const locked = Object.keys(JSON.parse(readFileSync(path.join(root, 'infra/images/bases.json'), 'utf8')) as object)
    for (const name of ['Dockerfile', 'trainer.Dockerfile']) {
      const text = readFileSync(path.join(root, 'infra/images', name), 'utf8')
      const stages = [...text.matchAll(/^FROM \S+ AS (\S+)/gm)].map(([, stage]) => stage)
      for (const [, from] of text.matchAll(/^FROM (\S+)/gm))
        expect([...locked.map((base) => `\${${base}}`), ...stages]).toContain(from)
    }
  })
})
