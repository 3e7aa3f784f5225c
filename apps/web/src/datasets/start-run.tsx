/** Starts a run that makes what a page lacks, and leads to it. Its page looks again by itself until it is there. */
import { Button } from '@mantine/core'
import { Link } from 'react-router'
import { segment } from '../api/client.ts'
import { useAction, useMay } from '../api/queries.ts'
import { Failure } from '../parts/page.tsx'

interface StartRunProps {
  readonly pipeline: string
  readonly params: Readonly<Record<string, unknown>>
  readonly verb: string
}

export function StartRun({ pipeline, params, verb }: StartRunProps) {
  const start = useAction<{ id: string }>(`/api/pipelines/${segment(pipeline)}/runs`)
  const may = useMay('run')
  if (!may) return null
  if (start.data)
    return (
      <p role="status">
        <Link to={`/runs/${start.data.id}`}>{start.data.id}</Link> makes it; this page shows it as soon as it is there.
      </p>
    )
  return (
    <>
      <Button variant="default" loading={start.isPending} onClick={() => start.mutate({ params })}>
        {verb}
      </Button>
      {start.error ? <Failure error={start.error} /> : null}
    </>
  )
}
