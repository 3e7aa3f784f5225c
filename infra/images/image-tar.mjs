/**
 * Writes a container image as an archive that containerd, Docker (25 or newer), Podman, kind and k3d load: OCI's layout
 * and, beside it, the manifest of `docker save`. No daemon, no registry, and the same layers give the same bytes.
 */
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'

const OCI = 'application/vnd.oci.image'
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' }
const TAG_LENGTH = 16
/** Of every file in the archive. */
const PLAIN = { mode: 0o644, mtime: new Date(0) }

/**
 * @param image.repository - as `localhost/gyre-worker`; the tag is made from the content.
 * @param image.layers - {@link Layer}s, the lowest first.
 * @param image.config - `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`, … as OCI has them.
 * @param folder - gets `<last part of the repository>-<tag>.tar`; one that is there already is left as it is.
 * @returns `name` (repository and tag), `tar` (path), `digest` of the manifest, `sizeBytes` of the archive, and `written`.
 */
export async function writeImage({ repository, layers, config }, folder) {
  const measured = await Promise.all(layers.map(async (layer) => ({ layer, ...(await layer.measure()) })))
  const settings = json({
    created: '1970-01-01T00:00:00Z',
    architecture: ARCHITECTURE[process.arch] ?? process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: measured.map(({ digest }) => `sha256:${digest}`) },
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: { mediaType: `${OCI}.config.v1+json`, digest: `sha256:${sha256(settings)}`, size: settings.length },
    layers: measured.map(({ digest, sizeBytes }) => ({
      mediaType: `${OCI}.layer.v1.tar`,
      digest: `sha256:${digest}`,
      size: sizeBytes,
    })),
  })
  const digest = sha256(manifest)
  const tag = digest.slice(0, TAG_LENGTH)
  const name = `${repository}:${tag}`
  const tar = path.join(path.resolve(folder), `${path.posix.basename(repository)}-${tag}.tar`)
  const written = !existsSync(tar)
  if (written) await write(tar, { name, tag, settings, manifest, measured })
  return { name, tar, digest: `sha256:${digest}`, sizeBytes: statSync(tar).size, written }
}

async function write(tar, { name, tag, settings, manifest, measured }) {
  mkdirSync(path.dirname(tar), { recursive: true })
  const part = `${tar}.${process.pid}.part`
  const archive = pack()
  const saved = pipeline(archive, createWriteStream(part))
  const fill = async () => {
    const add = (file, bytes) => archive.entry({ ...PLAIN, name: file }, bytes)
    add('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
    add('index.json', json(indexOf(name, tag, manifest)))
    add('manifest.json', json([dockerManifest(name, settings, measured)]))
    for (const blob of [settings, manifest]) add(blobPath(sha256(blob)), blob)
    for (const { layer, digest, sizeBytes } of unique(measured))
      await pipeline(layer.stream(), archive.entry({ ...PLAIN, name: blobPath(digest), size: sizeBytes }))
    archive.finalize()
  }
  try {
    await Promise.all([saved, fill()])
    renameSync(part, tar)
  } finally {
    rmSync(part, { force: true })
  }
}

function indexOf(name, tag, manifest) {
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag }
  const digest = `sha256:${sha256(manifest)}`
  const mediaType = `${OCI}.manifest.v1+json`
  return { schemaVersion: 2, manifests: [{ mediaType, digest, size: manifest.length, annotations }] }
}

function dockerManifest(name, settings, measured) {
  const Layers = measured.map(({ digest }) => blobPath(digest))
  return { Config: blobPath(sha256(settings)), RepoTags: [name], Layers }
}

function unique(measured) {
  return [...new Map(measured.map((one) => [one.digest, one])).values()]
}

const blobPath = (digest) => `blobs/sha256/${digest}`
const json = (value) => Buffer.from(JSON.stringify(value))
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
