/** `gyre backup|restore`: objects and the engine's database of one moment, as one file, also while the stack runs. */
import { existsSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { PlatformError } from '#core/errors'
import {
  askStack,
  DATABASE_FILES,
  folderOfStore,
  listObjects,
  OBJECTS_PREFIX,
  readBackup,
  RECORDS_FILE,
  StateFolder,
  writeBackup,
  type Progress,
  type Snapshot,
  type Source,
} from '../../../infra/local/index.ts'
import { Invocation, type CommonOptions, type PlacementOptions } from '../invocation.ts'
import { onInterrupt } from '../stack-access.ts'
import { VERSION } from '../version.ts'
import { counted, duration, mebibytes, shortPath } from '../words.ts'

/** Remarks on the way are this far apart. */
const REMARK_MS = 2_000

/** What is backed up: the names of the moment, and how to let go of it. */
interface Subject {
  readonly storeUri: string
  readonly project: string
  /** Where the copy of the database lies, or the database itself of a stack that does not run. */
  readonly database: string
  readonly records: readonly string[]
  /** How long the stack stood still; null where none ran. */
  readonly frozenMs: number | null
  letGo(): void
}

/** @throws {PlatformError} `STATE_IN_USE` while the stack starts or stops. */
export async function backup(file: string, options: CommonOptions & Pick<PlacementOptions, 'store'>): Promise<void> {
  const invocation = new Invocation(options)
  const state = new StateFolder(invocation.state)
  const target = path.resolve(file)
  if (!existsSync(state.path)) throw nothingThere(state)
  if (!existsSync(path.dirname(target))) throw invalid(`there is no folder ${path.dirname(target)} to write into`)
  const interrupt = onInterrupt()
  const running = state.runningStack()
  const subject = running ? await momentOf(state) : await restOf(state, invocation.env)
  try {
    const objects = folderOfStore(subject.storeUri)
    const sources = sourcesOf(subject, objects)
    if (sources.length === 0) throw nothingThere(state)
    const facts = {
      ...{ gyre: VERSION, createdAt: new Date().toISOString(), project: subject.project },
      ...{ store: objects === null ? subject.storeUri : 'folder', temporal: hasDatabase(subject) },
    }
    const written = await writeBackup(target, facts, sources, {
      signal: interrupt.signal,
      onProgress: remarks(invocation, 'saved'),
    })
    invocation.answer({ file: target, ...facts, ...written, frozenMs: subject.frozenMs }, () =>
      [
        `${target}   ${counted(written.files, 'file')}, ${mebibytes(written.sizeBytes)}`,
        ...(subject.frozenMs === null ? [] : [`The stack stood still for ${duration(subject.frozenMs)}.`]),
        ...(objects === null
          ? [`The objects are not in it: they are in ${subject.storeUri}; keep versions there.`]
          : []),
        ...(facts.temporal ? [] : ['The run histories are not in it: they are with your Temporal server.']),
        `Whoever reads this file reads all ${objects === null ? 'run histories' : 'images and labels'}.`,
      ].join('\n'),
    )
  } finally {
    subject.letGo()
    interrupt.dispose()
  }
}

/** Of a stack that runs: it stands still for a moment, and goes on while the file is written. */
async function momentOf(state: StateFolder): Promise<Subject> {
  const info = state.runningStack()
  if (!info) throw invalid(`the stack on ${state.path} ended just now; try again`)
  const { folder, frozenMs } = await askStack<Snapshot>(state.controlSocket, { take: 'snapshot' })
  return {
    ...{ storeUri: info.storeUri, project: info.project, database: folder, frozenMs },
    records: readFileSync(path.join(folder, RECORDS_FILE), 'utf8').split('\n').filter(Boolean),
    letGo: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Of a stack that does not run, and cannot be started meanwhile. */
async function restOf(state: StateFolder, env: NodeJS.ProcessEnv): Promise<Subject> {
  const letGo = state.acquire()
  const storeUri = env['GYRE_STORE'] || pathToFileURL(state.objects).href
  const objects = folderOfStore(storeUri)
  const records = objects === null ? [] : [...listObjects(objects, 'records')]
  return { storeUri, project: env['GYRE_PROJECT'] || 'default', database: state.path, records, frozenMs: null, letGo }
}

function hasDatabase({ database }: Subject): boolean {
  return existsSync(path.join(database, DATABASE_FILES[0]))
}

/** Blobs are listed now, after the records that name them. */
function sourcesOf({ database, records }: Subject, objects: string | null): Source[] {
  const databaseFiles = DATABASE_FILES.map((name) => ({ name, file: path.join(database, name) }))
  const names = objects === null ? [] : [...records, ...listObjects(objects, 'blobs')]
  return [
    ...databaseFiles.filter(({ file }) => existsSync(file)),
    ...names.map((name) => ({ name: `${OBJECTS_PREFIX}${name}`, file: path.join(objects ?? '', name) })),
  ]
}

/** Only into a folder without a state: a restore never mixes two histories. */
export async function restore(file: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const source = path.resolve(file)
  if (!existsSync(source)) throw invalid(`there is no file ${source} to restore from`)
  const state = new StateFolder(invocation.state)
  state.prepare()
  const release = state.acquire()
  const interrupt = onInterrupt()
  const draft = path.join(state.path, 'restoring')
  try {
    if (readdirSync(state.objects).length > 0 || existsSync(state.temporalDatabase)) throw notEmpty(state)
    await rm(draft, { recursive: true, force: true }) // Of a restore that was killed.
    await mkdir(draft, { mode: 0o700 })
    const header = await readBackup(source, draft, {
      signal: interrupt.signal,
      onProgress: remarks(invocation, 'restored'),
    })
    await moveIn(draft, state)
    const store = header.store === 'folder' ? [] : ['--store', header.store]
    const command = ['./gyre', 'dev', '--state', shortPath(state.path), ...store].join(' ')
    invocation.answer({ state: state.path, ...header }, () =>
      [
        `${state.path} is as it was on ${header.createdAt}.`,
        ...(header.store === 'folder' ? [] : [`Its objects are in ${header.store}.`]),
        'Do not run it beside the stack that it was taken from: both would carry on the same runs.',
        `\n  ${command}`,
      ].join('\n'),
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
    release()
    interrupt.dispose()
  }
}

/** Whole files only: their names appear when all of the backup was found to be right. */
async function moveIn(draft: string, state: StateFolder): Promise<void> {
  for (const name of await readdir(draft)) {
    const target = path.join(state.path, name)
    if (name === 'objects') rmdirSync(target)
    renameSync(path.join(draft, name), target)
  }
}

/** One line every few seconds, while it takes longer than that. */
function remarks(invocation: Invocation, verb: string): (progress: Progress) => void {
  let last = Date.now()
  return ({ files, bytes, totalFiles, totalBytes }) => {
    if (Date.now() - last < REMARK_MS) return
    last = Date.now()
    const of = `of ${counted(totalFiles, 'file')}, ${mebibytes(bytes)} of ${mebibytes(totalBytes)}`
    invocation.remark(`gyre: ${verb} ${files} ${of}`)
  }
}

function nothingThere(state: StateFolder): PlatformError {
  return invalid(`${state.path} holds no state to back up; choose a folder with --state`)
}

function notEmpty(state: StateFolder): PlatformError {
  return invalid(`${state.path} holds a state already; restore into an empty folder, chosen with --state`)
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_INPUT', message)
}
