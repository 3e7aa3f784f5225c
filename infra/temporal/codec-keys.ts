/** The keys with which payloads are encrypted before they reach a Temporal server: a file that only its owner can read. */

import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { issueText, PlatformError } from '#core/errors'

export interface CodecKeys {
  /** The id of the key that encrypts; the others only decrypt. */
  readonly active: string
  /** 32 bytes each, by id. */
  readonly keys: ReadonlyMap<string, Buffer>
}

const KEY_BYTES = 32
/** Others may neither read nor change it; a group may read it, as in a Kubernetes Pod with an `fsGroup`. */
const FORBIDDEN_MODE = 0o027

const schema = z
  .strictObject({
    active: z.string().min(1),
    keys: z.record(
      z.string().regex(/^[\w.-]{1,64}$/, 'a key id has letters, digits, dots, hyphens and underscores, at most 64'),
      z
        .base64()
        .transform((text) => Buffer.from(text, 'base64'))
        .refine((key) => key.length === KEY_BYTES, `must be ${KEY_BYTES} bytes in base64`),
    ),
  })
  .refine(({ active, keys }) => active in keys, { path: ['active'], error: 'names no key of this file' })

/**
 * @param file - JSON `{"active": "2026-05", "keys": {"2026-05": "<32 bytes, base64>", …}}`.
 * @throws {PlatformError} `INVALID_INPUT` naming the file; the keys themselves are in no message.
 */
export function readCodecKeys(file: string): CodecKeys {
  const { mode, text } = readSecret(file)
  if (mode & FORBIDDEN_MODE)
    throw invalid(file, `may be read or changed by others (mode ${(mode & 0o777).toString(8)}); run chmod 600 on it`)
  const parsed = schema.safeParse(parseJson(file, text))
  if (!parsed.success) throw invalid(file, `is no key file: ${issueText(parsed.error)}`)
  return { active: parsed.data.active, keys: new Map(Object.entries(parsed.data.keys)) }
}

function readSecret(file: string): { readonly mode: number; readonly text: string } {
  try {
    return { mode: statSync(file).mode, text: readFileSync(file, 'utf8') }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw invalid(file, code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, cause)
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Its own message would quote the file.
    throw invalid(file, 'is no JSON')
  }
}

function invalid(file: string, what: string, cause?: unknown): PlatformError {
  return new PlatformError('INVALID_INPUT', `GYRE_CODEC_KEYS_FILE: ${file} ${what}`, { file }, { cause })
}
