export interface BuiltImage {
  /** worker, inference or api. */
  readonly role: string
  /** `localhost/gyre-<role>:<tag>`. */
  readonly name: string
  readonly tar: string
  /** Of the manifest: `sha256:…`. */
  readonly digest: string
  readonly sizeBytes: number
  /** False where the archive was there already. */
  readonly written: boolean
}
export function buildImages(options: {
  out: string
  only?: readonly string[]
  say?: (line: string) => void
  env?: NodeJS.ProcessEnv
}): Promise<{ images: BuiltImage[]; node: string }>
export function writeTree(folder: string, role: string): Promise<void>
