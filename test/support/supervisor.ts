/** The supervisor of jobs' containers, built where there is a Go compiler. */

import { buildSupervisor } from '../../infra/supervisor/build.mjs'

const built = await buildSupervisor().then(
  (path) => ({ path, missing: '' }),
  (error: unknown) => ({ path: '', missing: `left out: ${(error as Error).message}` }),
)

/** `missing`: why tests that need it are left out; '' where it is there. */
export const supervisor: { readonly path: string; readonly missing: string } = built
