/** Gyre and its peers on one set of images: each a process of its own, one after the other, on the same disk. */
import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { GyreRows } from './gyre-rows.ts'

const run = promisify(execFile)
/** Inside the checkout, so that packages are found from it. */
const benchFolder = path.resolve(import.meta.dirname, '../../.gyre/bench')
const peersFolder = path.resolve(import.meta.dirname, '../peers')
const INSTALL_MS = 10 * 60_000
const TOOL_MS = 10 * 60_000

/** By the names of the rows in `dataset_rows.py`. */
export type PeerName = 'dvc' | 'huggingface' | 'datumaro' | 'webdataset' | 'folder'
export const PEERS: readonly PeerName[] = ['folder', 'webdataset', 'huggingface', 'datumaro', 'dvc']

/** Seconds by row, and counts. */
export type PeerRows = Readonly<Partial<Record<string, number>>>

/** @returns the interpreter that has the peers, or null where they cannot be had. */
export async function installPeers(say: (line: string) => void): Promise<string | null> {
  const folder = path.join(benchFolder, 'dataset-peers')
  try {
    say('installing DVC, Hugging Face datasets, Datumaro and webdataset')
    const script = path.join(peersFolder, 'install.sh')
    await run('sh', [script, folder, 'dataset-requirements.txt'], { timeout: INSTALL_MS })
    return path.join(folder, 'bin', 'python')
  } catch (error) {
    say(`no peers: ${(error as Error).message}`)
    return null
  }
}

/** @returns the rows, and the stream's description for the Python reader in `WORK/stream.json`. */
export async function gyreRows(images: string, work: string): Promise<GyreRows> {
  await mkdir(work, { recursive: true })
  const { stdout } = await run(process.execPath, [await compiled('gyre-rows'), images, work], { timeout: TOOL_MS })
  return JSON.parse(lastLine(stdout)) as GyreRows
}

/** As it is shipped: a loader of TypeScript would count in its time and memory. */
async function compiled(name: string): Promise<string> {
  const outfile = path.join(benchFolder, `${name}.mjs`)
  await build({
    entryPoints: [path.join(import.meta.dirname, `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  })
  return outfile
}

/** Gyre's reader for Python, beside the peers that read in Python. */
export function pythonReaderRows(python: string, description: string): Promise<PeerRows> {
  return pythonRows(python, ['gyre', '-', '-', description], TOOL_MS)
}

export interface PeerOptions {
  readonly images: string
  readonly work: string
  readonly timeoutMs: number
  say(line: string): void
}

/** @returns the rows of a peer; null where it failed or took longer than it may. */
export async function peerRows(
  python: string,
  peer: PeerName,
  { images, work, timeoutMs, say }: PeerOptions,
): Promise<PeerRows | null> {
  const folder = path.join(work, peer)
  try {
    await mkdir(folder, { recursive: true })
    return await pythonRows(python, [peer, images, folder], timeoutMs)
  } catch (error) {
    say(`${peer} is left out: ${(error as Error).message.split('\n').slice(-3).join(' ')}`)
    return null
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function pythonRows(python: string, words: readonly string[], timeout: number): Promise<PeerRows> {
  const env = {
    ...process.env,
    DO_NOT_TRACK: '1',
    DVC_NO_ANALYTICS: '1',
    HF_DATASETS_OFFLINE: '1',
    HF_HUB_OFFLINE: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  }
  const script = path.join(peersFolder, 'dataset_rows.py')
  const { stdout } = await run(python, [script, ...words], { timeout, env, maxBuffer: 2 ** 26 })
  return JSON.parse(lastLine(stdout)) as PeerRows
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? ''
}
