/**
 * Frames of a video, by the ffmpeg that is installed: one every so many seconds, as JPEG, through a pipe. What ffmpeg
 * may do is kept small, since a video comes from anywhere: local files and pipes alone, containers alone (a playlist
 * could name other files), no more than `MAX_FRAMES`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { arrived, MAX_FILE_BYTES, type Arrival, type Source } from '../arrivals.ts'
import type { OpenOptions, Place } from './place.ts'

const MAX_FRAMES = 1_000_000
const DEFAULT_SECONDS = 1
const FORMATS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf'
const START_OF_JPEG = Buffer.of(0xff, 0xd8)
const END_OF_JPEG = Buffer.of(0xff, 0xd9)

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when ffmpeg is missing or cannot read the file. */
export async function openVideo(
  { source, file }: Place,
  { everySeconds = DEFAULT_SECONDS, signal }: OpenOptions,
): Promise<Source> {
  if (file === null) throw unreadable(source, 'is no video file')
  return { files: frames(file, everySeconds, signal) }
}

/** By the marks of MP4 and MOV, Matroska and WebM, AVI, and MPEG. */
export function isVideo(start: Uint8Array): boolean {
  const text = Buffer.from(start.subarray(0, 16)).toString('latin1')
  const isPhoto = /^....ftyp(hei|hev|mif|msf|avif|avis)/s.test(text)
  const containers = [
    /^....ftyp/s,
    /^....(moov|mdat)/s,
    /^\x1aE\xdf\xa3/,
    /^RIFF....AVI /s,
    /^\x00\x00\x01\xba/,
    /^OggS/,
    /^FLV\x01/,
  ]
  return !isPhoto && containers.some((mark) => mark.test(text))
}

async function* frames(file: string, everySeconds: number, signal: AbortSignal | undefined): AsyncIterable<Arrival> {
  const ffmpeg = spawn('ffmpeg', argumentsOf(file, everySeconds), {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  })
  const said: string[] = []
  ffmpeg.stderr.on('data', (part: Buffer) => {
    if (said.length < 100) said.push(part.toString())
  })
  const ended = once(ffmpeg, 'close').catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw unreadable(file, 'is a video, and ffmpeg, which reads videos, cannot be started; install it', cause)
  })
  ended.catch(() => undefined) // It is awaited below, after the frames.
  try {
    let number = 0
    for await (const bytes of splitJpegs(ffmpeg.stdout)) {
      const second = (number++ * everySeconds).toFixed(3).padStart(10, '0')
      yield arrived(`${path.basename(file)}/${second}s.jpg`, bytes)
    }
    const [code] = (await ended) as [number | null]
    if (code !== 0) throw unreadable(file, `cannot be read by ffmpeg: ${lastLine(said)}`)
  } finally {
    ffmpeg.kill('SIGKILL')
  }
}

function argumentsOf(file: string, everySeconds: number): string[] {
  const input = [
    '-nostdin',
    '-v',
    'error',
    '-protocol_whitelist',
    'file,pipe',
    '-format_whitelist',
    FORMATS,
    '-i',
    `file:${file}`,
  ]
  return [
    ...input,
    '-map',
    '0:v:0',
    '-vf',
    `fps=1/${everySeconds}`,
    '-frames:v',
    String(MAX_FRAMES),
    '-q:v',
    '2',
    '-f',
    'image2pipe',
    '-c:v',
    'mjpeg',
    'pipe:1',
  ]
}

/** In JPEG data, the two bytes of its end stand nowhere else. */
export async function* splitJpegs(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let held: Buffer = Buffer.alloc(0)
  for await (const part of stream) {
    let searched = Math.max(0, held.length - 1)
    held = Buffer.concat([held, part])
    for (let end = held.indexOf(END_OF_JPEG, searched); end >= 0; end = held.indexOf(END_OF_JPEG, searched)) {
      const frame = held.subarray(0, end + 2)
      if (frame.subarray(0, 2).equals(START_OF_JPEG)) yield Uint8Array.from(frame)
      held = held.subarray(end + 2)
      searched = 0
    }
    if (held.length > MAX_FILE_BYTES) throw unreadable('the video', 'gives a frame of more than 512 MiB')
  }
}

function lastLine(said: readonly string[]): string {
  return (said.join('').trim().split('\n').at(-1) ?? '').slice(0, 300) || 'it says nothing'
}

function unreadable(source: string, trouble: string, cause?: unknown): PlatformError {
  return new PlatformError('DATASET_SOURCE_UNREADABLE', `${source} ${trouble}`, { source }, { cause })
}
