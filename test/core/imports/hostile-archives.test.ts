import { writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { tarOf, zipOf } from '../../support/archives.ts'
import { pngImage } from '../../support/images.ts'
import { reportOf, runImport, stepContext, temporaryFolder } from './support.ts'

const inFolder = temporaryFolder()
const outside = 'its path leads outside the archive'

it('a zip gives its good images and a reason for each hostile entry', async () => {
  const image = await pngImage(1)
  const source = inFolder('hostile.zip')
  const entries = [
    { name: 'good/1.png', bytes: image },
    { name: '../../etc/2.png', bytes: await pngImage(2) },
    { name: '/etc/3.png', bytes: await pngImage(3) },
    { name: 'C:\\windows\\4.png', bytes: await pngImage(4) },
    { name: 'locked.png', bytes: await pngImage(5), encrypted: true },
    { name: 'lies.png', bytes: await pngImage(6), claimedBytes: 10 },
    { name: 'claims.png', bytes: await pngImage(7), claimedBytes: 4_000_000_000 },
    { name: 'zeros.png', bytes: new Uint8Array(64 * 1024 * 1024) },
    { name: '__MACOSX/._1.png', bytes: Uint8Array.of(1) },
    { name: 'folder/', bytes: new Uint8Array(0) },
    { name: 'good/8.png', bytes: await pngImage(8) },
  ]
  await writeFile(source, zipOf(entries))
  const ctx = stepContext()
  const version = await runImport(ctx, { source })
  expect(version.images).toBe(2)
  expect((await reportOf(ctx.store, version)).rejected).toEqual([
    { path: '../../etc/2.png', reason: outside },
    { path: '/etc/3.png', reason: outside },
    { path: 'C:/windows/4.png', reason: outside },
    { path: 'claims.png', reason: 'has 3815 MiB; an image file may have at most 512 MiB' },
    { path: 'lies.png', reason: 'damaged inside the archive' },
    { path: 'locked.png', reason: 'encrypted' },
    { path: 'zeros.png', reason: 'not an image; Gyre reads JPEG, PNG, WebP, TIFF and GIF' },
  ])
})

it('a tar gives its good images and a reason for each hostile entry', async () => {
  const source = inFolder('hostile.tar')
  const none = new Uint8Array(0)
  await writeFile(
    source,
    await tarOf([
      { name: './good/1.png', bytes: await pngImage(1) },
      { name: '../2.png', bytes: await pngImage(2) },
      { name: 'zeros.png', bytes: new Uint8Array(8 * 1024 * 1024) },
      { name: 'passwords.png', bytes: none, type: 'symlink', linkname: '/etc/passwd' },
      { name: 'same.png', bytes: none, type: 'link', linkname: 'good/1.png' },
      { name: 'pipe.png', bytes: none, type: 'fifo' },
      { name: 'folder', bytes: none, type: 'directory' },
      { name: 'good/3.png', bytes: await pngImage(3) },
    ]),
  )
  const ctx = stepContext()
  const version = await runImport(ctx, { source })
  expect(version.images).toBe(2)
  expect((await reportOf(ctx.store, version)).rejected).toEqual([
    { path: '../2.png', reason: outside },
    { path: 'passwords.png', reason: 'a link inside an archive' },
    { path: 'pipe.png', reason: 'not a regular file' },
    { path: 'same.png', reason: 'a link inside an archive' },
    { path: 'zeros.png', reason: 'not an image; Gyre reads JPEG, PNG, WebP, TIFF and GIF' },
  ])
})
