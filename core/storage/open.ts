/** Opens the store that a URI names, scoped to one project. */

import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { PlatformError } from '#core/errors'
import { openFolderStore } from './folder.ts'
import { checkName } from './keys.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * @param uri - a path, `file:///…` or `s3://bucket/prefix`. Address, region and credentials of S3 come from the
 *   standard AWS environment variables, which the AWS SDK reads by itself.
 * @param options - `project`: the folder or prefix inside the store, `default` where it is left out.
 * @throws {PlatformError} `INVALID_INPUT` for another scheme; `INVALID_NAME` for a bad project; `STORE_DISK_FULL`.
 */
export async function openStore(uri: string, { project = 'default' }: { project?: string } = {}): Promise<ObjectStore> {
  checkName('project', project)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase()
  if (scheme === undefined) return openFolderStore(path.join(uri, project))
  if (scheme === 'file') return openFolderStore(path.join(fileURLToPath(uri), project))
  if (scheme === 's3') {
    const { openS3Store } = await import('./s3.ts') // The SDK takes 0.2 s to load: only where it is used.
    return openS3Store(`${uri.replace(/\/+$/, '')}/${project}`)
  }
  throw new PlatformError('INVALID_INPUT', `store ${uri} is neither a folder, file:///… nor s3://bucket/prefix`, {
    uri,
  })
}
