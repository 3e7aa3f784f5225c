/** Images that look like one of the dataset, or like one that a person brings along; the likest first. */
import { useEffect, useState } from 'react'
import { useSearchParams } from 'react-router'
import { imageUrl } from '../api/client.ts'
import { counted, percent, short } from '../parts/format.ts'
import { DropZone } from '../parts/drop-zone.tsx'
import { Empty, Skeleton } from '../parts/page.tsx'
import { ActionBar } from './actions.tsx'
import { useShown } from './frame.tsx'
import { ImageDetail } from './image-detail.tsx'
import { useSimilar, useSimilarTo } from './queries.ts'
import { extended, NOTHING, toggled, type Selection } from './selection.ts'
import { Tiles } from './tiles.tsx'

const COUNTS = [60, 200] as const

export default function SimilarPage() {
  const { dataset } = useShown()
  const [search, setSearch] = useSearchParams()
  const to = search.get('to') ?? ''
  const [count, setCount] = useState<number>(COUNTS[0])
  const known = useSimilar(dataset.name, dataset.version, to, count)
  const brought = useSimilarTo(dataset.name, dataset.version, count)
  const [file, setFile] = useState<File | null>(null)
  const url = useObjectUrl(file)
  const asked = file ? brought : known
  const rows = asked.data?.rows ?? []
  const image = search.get('image')
  const set = (change: Readonly<Record<string, string | null>>) =>
    setSearch((old) => {
      const next = new URLSearchParams(old)
      for (const [name, value] of Object.entries(change)) {
        if (value === null) next.delete(name)
        else next.set(name, value)
      }
      return next
    })
  const bring = (next: File) => {
    set({ to: null })
    setFile(next)
    brought.mutate(next)
  }
  const shown = file ? url : to ? imageUrl(dataset.name, to) : null
  return (
    <div className="page similar">
      <aside className="similar-to">
        {shown ? <img src={shown} alt={file ? file.name : `image ${short(to)}`} /> : null}
        {file ? (
          <p className="muted">
            {file.name}. It is compared and not kept, so that this page has no address to share; images of the dataset
            do.
          </p>
        ) : null}
        <DropZone label="Drop an image here, or choose one" onFiles={([next]) => next && bring(next)} />
      </aside>
      <div className="similar-found">
        {asked.error ? (
          <Empty title="Similar images cannot be told here.">
            <p>{asked.error.message}</p>
            {asked.error.remedy ? <p>{asked.error.remedy}</p> : null}
          </Empty>
        ) : null}
        {!shown && !asked.error ? (
          <Empty title="Similar to what?">
            Drop an image, or open one of the dataset and follow its similar images. Versions are compared by the
            embedding of their images.
          </Empty>
        ) : null}
        {shown && asked.isPending ? <Skeleton /> : null}
        <Found
          key={`${to} ${file?.name ?? ''} ${dataset.version}`}
          rows={rows}
          onOpen={(digest) => set({ image: digest })}
          {...(rows.length === count && count < COUNTS[1] && !file && { onMore: () => setCount(COUNTS[1]) })}
        />
      </div>
      {image ? (
        <ImageDetail
          digest={image}
          onClose={() => set({ image: null })}
          onOpen={(digest) => {
            setFile(null)
            set({ image: null, to: digest })
          }}
        />
      ) : null}
    </div>
  )
}

interface FoundProps {
  readonly rows: readonly { readonly digest: string; readonly similarity: number }[]
  readonly onOpen: (digest: string) => void
  readonly onMore?: () => void
}

function Found({ rows, onOpen, onMore }: FoundProps) {
  const { dataset } = useShown()
  const [selection, setSelection] = useState<Selection>(NOTHING)
  const digests = selection.all ? new Set<string>() : selection.digests
  if (!rows.length) return null
  return (
    <>
      <div className="picks">
        <span>{counted(rows.length, 'image')}, the likest first</span>
        <button
          type="button"
          className="more"
          onClick={() =>
            setSelection(
              extended(
                NOTHING,
                rows.map(({ digest }) => digest),
              ),
            )
          }
        >
          Select all
        </button>
      </div>
      <Tiles
        dataset={dataset.name}
        label="Similar images"
        items={rows.map(({ digest, similarity }) => ({
          digest,
          name: `${percent(similarity, 0)} similar, ${short(digest)}`,
          foot: percent(similarity),
        }))}
        selected={digests}
        onToggle={(digest) => setSelection(toggled(selection, digest))}
        onOpen={onOpen}
      />
      {onMore ? (
        <button type="button" className="more" onClick={onMore}>
          Show more
        </button>
      ) : null}
      {digests.size ? (
        <ActionBar images={digests.size} target={{ digests: [...digests] }} onClear={() => setSelection(NOTHING)} />
      ) : null}
    </>
  )
}

/** An address of a file that a person chose, for as long as it is shown. */
function useObjectUrl(file: File | null): string | null {
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => {
    if (!file) return setUrl(null)
    const made = URL.createObjectURL(file)
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [file])
  return url
}
