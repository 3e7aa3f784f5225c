export const TEMPORAL_CLI_VERSION: string
/** Where what we downloaded or built for this machine lies: `$XDG_CACHE_HOME/gyre/bin`. */
export function cacheFolder(env?: NodeJS.ProcessEnv): string
export function findTemporalBinary(options: {
  /** Gets one line of progress at a time. */
  say: (line: string) => void
  /** Whether to download or build when none is there; true where left out. */
  install?: boolean
  env?: NodeJS.ProcessEnv
}): Promise<{ path: string | null; tried: string[] }>
