/** `gyre dataset stream`: where a trainer finds the images of a version, as one file. */
import { writeFile } from 'node:fs/promises'
import type { StreamDescription } from '#core/streaming'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { counted, moment } from '../words.ts'

interface StreamVerbOptions extends CommonOptions {
  readonly split: string
  readonly unlabelled?: boolean
}

/** @param spec - `name` or `name@ref`. */
export async function describeTo(spec: string, file: string, options: StreamVerbOptions): Promise<void> {
  const invocation = new Invocation(options)
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  const query = new URLSearchParams({ ref, split: options.split, unlabelled: String(options.unlabelled ?? false) })
  const description = await withStack(invocation, ({ api }) =>
    api.get<StreamDescription>(`/api/datasets/${encodeURIComponent(name)}/stream?${query}`),
  )
  await writeFile(file, JSON.stringify(description))
  const { dataset, version, samples, classes, expiresAt } = description
  invocation.answer({ dataset, version, samples, classes, expiresAt, file }, () =>
    [
      `${file}   ${counted(samples, 'image')} of ${counted(classes.length, 'class', 'classes')}, version sha256:${version.slice(0, 12)}`,
      ...(expiresAt === null ? [] : ['', `Its addresses hold until ${moment(expiresAt)}.`]),
    ].join('\n'),
  )
}
