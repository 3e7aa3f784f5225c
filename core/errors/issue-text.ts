/** What a schema says of a value that does not fit it (the shape of a zod error). */
export interface SchemaIssues {
  readonly issues: readonly {
    readonly path: readonly PropertyKey[]
    readonly message: string
    readonly code?: string | undefined
    readonly keys?: readonly string[]
  }[]
}

/** The first issue as "path: what is wrong". */
export function issueText({ issues }: SchemaIssues, prefix: readonly PropertyKey[] = []): string {
  const issue = issues[0]!
  const path = [...prefix, ...issue.path, ...(issue.code === 'unrecognized_keys' ? [issue.keys![0]!] : [])]
  const what = issue.code === 'unrecognized_keys' ? 'is not known; check its spelling' : issue.message
  return `${path.map(String).join('.') || '(input)'}: ${what}`
}
