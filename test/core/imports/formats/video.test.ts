import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterEach, expect, it, vi } from 'vitest'
import { jpegImage } from '../../../support/images.ts'
import { temporaryFolder } from '../support.ts'
import { openFormat } from '../../../../core/imports/formats/index.ts'
import { everything, writeTree } from './support.ts'

const inFolder = temporaryFolder()
const mp4 = Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41', 'latin1')

afterEach(() => vi.unstubAllEnvs())

/** An `ffmpeg` that notes what it was asked, says `error`, and gives `output` in small pieces. */
async function playedFfmpeg(output: Uint8Array, { exit = 0, error = '' } = {}): Promise<string> {
  const folder = inFolder(`ffmpeg-${exit}`)
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/output`, output)
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" > '${folder}/asked'\nprintf '%s' '${error}' >&2\n/bin/dd if='${folder}/output' bs=700 2>/dev/null\nexit ${exit}\n`
  await writeFile(`${folder}/ffmpeg`, script)
  await chmod(`${folder}/ffmpeg`, 0o755)
  vi.stubEnv('PATH', folder)
  return folder
}

it('a video gives a frame every so many seconds, and ffmpeg may reach nothing but the file', async () => {
  const frames = [await jpegImage(1, { width: 64, height: 48 }), await jpegImage(2), await jpegImage(3)]
  const folder = await playedFfmpeg(Buffer.concat(frames))
  await writeTree(inFolder('clips'), { 'line 1.mp4': mp4 })
  const given = await openFormat(inFolder('clips', 'line 1.mp4'), 'auto', { everySeconds: 2.5 })
  const arrivals: [string, Uint8Array][] = []
  for await (const arrival of given.files) arrivals.push([arrival.path, await arrival.read()])
  expect(given.format).toBe('video')
  expect(arrivals).toEqual([
    ['line 1.mp4/000000.000s.jpg', new Uint8Array(frames[0]!)],
    ['line 1.mp4/000002.500s.jpg', new Uint8Array(frames[1]!)],
    ['line 1.mp4/000005.000s.jpg', new Uint8Array(frames[2]!)],
  ])
  const asked = (await readFile(`${folder}/asked`, 'utf8')).split('\n')
  expect(asked[asked.indexOf('-protocol_whitelist') + 1]).toBe('file,pipe')
  expect(asked[asked.indexOf('-format_whitelist') + 1]).not.toMatch(/hls|concat|image2/)
  expect(asked[asked.indexOf('-i') + 1]).toBe(`file:${inFolder('clips', 'line 1.mp4')}`)
  expect(asked).toContain('fps=1/2.5')
})

it('a video that ffmpeg cannot read fails with what ffmpeg says', async () => {
  await playedFfmpeg(new Uint8Array(0), { exit: 1, error: 'moov atom not found' })
  await writeTree(inFolder('broken'), { 'a.mp4': mp4 })
  await expect(everything(inFolder('broken', 'a.mp4'))).rejects.toThrow(/cannot be read by ffmpeg: moov atom not found/)
})

it('without ffmpeg, a video says that it is needed', async () => {
  await mkdir(inFolder('empty'))
  vi.stubEnv('PATH', inFolder('empty'))
  await writeTree(inFolder('lonely'), { 'a.mp4': mp4 })
  await expect(everything(inFolder('lonely', 'a.mp4'))).rejects.toThrow(
    /ffmpeg, which reads videos, cannot be started; install it/,
  )
})

it('a playlist, a photograph and a text are no videos', async () => {
  await writeTree(inFolder('texts'), { 'list.m3u8': '#EXTM3U\nfile:///etc/passwd\n' })
  await expect(everything(inFolder('texts', 'list.m3u8'))).rejects.toThrow(/holds no CSV file/)
})
