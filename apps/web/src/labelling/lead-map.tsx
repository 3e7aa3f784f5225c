/** The images of a session by likeness: draw round some, and have them shown next, looked at again, or made examples. */
import '../labelling.css'
import { Button, NativeSelect } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useParams } from 'react-router'
import { put } from '../api/client.ts'
import { useDataset, useMay } from '../api/queries.ts'
import type { Session } from '../api/types.ts'
import { ShownVersion } from '../datasets/frame.tsx'
import { MapCanvas } from '../datasets/map-canvas.tsx'
import { within, type Points, type Polygon } from '../datasets/map-view.ts'
import { useCodes, useDigests, useLack, useMap } from '../datasets/queries.ts'
import { StartRun } from '../datasets/start-run.tsx'
import { Tiles } from '../datasets/tiles.tsx'
import { count, counted } from '../parts/format.ts'
import { Empty, Failure, Loaded, Skeleton } from '../parts/page.tsx'
import { LeadHead } from './lead-frame.tsx'
import { Original } from './panels.tsx'
import { useChange, useInstructions, useSession } from './queries.ts'

/** The API takes so many at once. */
const ASKED_AT_MOST = 5_000
const EXAMPLES_AT_MOST = 24
const SHOWN = 48

export default function LeadMap() {
  const { id = '' } = useParams()
  return (
    <Loaded query={useSession(id)}>
      {(session) => (
        <div className="dataset">
          <LeadHead session={session} />
          <Mapped session={session} />
        </div>
      )}
    </Loaded>
  )
}

function Mapped({ session }: { session: Session }) {
  const { dataset, version } = session
  const detail = useDataset(dataset, version)
  const map = useMap(dataset, version)
  const lack = useLack(map, version)
  if (lack)
    return (
      <div className="page">
        <Empty
          title="There is no map of these images yet."
          command={`gyre pipeline run dataset-map --param dataset=${dataset}`}
        >
          <p>{lack.message}</p>
          <StartRun pipeline="dataset-map" params={{ dataset, ref: version }} verb="Make the map" />
        </Empty>
      </div>
    )
  return (
    <Loaded query={detail}>
      {(shown) => (
        <ShownVersion dataset={shown}>
          {map.data ? <LassoMap session={session} points={map.data} /> : <Skeleton />}
        </ShownVersion>
      )}
    </Loaded>
  )
}

function LassoMap({ session, points }: { session: Session; points: Points }) {
  const [lasso, setLasso] = useState<Polygon | null>(null)
  const [isLasso, setDrawing] = useState(true)
  const [image, setImage] = useState<string | null>(null)
  const codes = useCodes(session.dataset, session.version, 'label').data ?? null
  const selected = useMemo(() => (lasso ? within(points, lasso) : []), [points, lasso])
  return (
    <div className="map">
      <div className="map-main">
        <div className="picks map-tools">
          <span className="figure">{counted(points.count, 'image')}</span>
          <div className="filters" role="group" aria-label="What the mouse does">
            <button type="button" aria-pressed={!isLasso} onClick={() => setDrawing(false)}>
              Move
            </button>
            <button type="button" aria-pressed={isLasso} onClick={() => setDrawing(true)}>
              Draw a lasso
            </button>
          </div>
          <span className="muted map-hint">Coloured by the labels of the version that the session began with.</span>
        </div>
        <MapCanvas
          {...{ points, codes, isLasso, lasso }}
          only={null}
          view={null}
          onView={() => undefined}
          marked={lasso ? selected : null}
          onLasso={(polygon) => {
            setLasso(polygon)
            setDrawing(false)
          }}
          onOpen={setImage}
        />
      </div>
      <aside className="map-side" aria-label="What is in the lasso">
        {lasso ? (
          <Lassoed
            key={lasso.join()}
            session={session}
            rows={selected}
            onOpen={setImage}
            onClear={() => setLasso(null)}
          />
        ) : (
          <p className="muted">Draw round images that look alike, to have them labelled next.</p>
        )}
      </aside>
      {image ? <Original dataset={session.dataset} digest={image} onClose={() => setImage(null)} /> : null}
    </div>
  )
}

interface LassoedProps {
  readonly session: Session
  readonly rows: readonly number[]
  readonly onOpen: (digest: string) => void
  readonly onClear: () => void
}

function Lassoed({ session, rows, onOpen, onClear }: LassoedProps) {
  const { id, dataset, version, state } = session
  const [proposed, setProposed] = useState('')
  const isTooMany = rows.length > ASKED_AT_MOST
  const digests = useDigests(dataset, version, isTooMany ? rows.slice(0, SHOWN) : rows).data ?? []
  const ask = useChange(id, '/requests')
  const isOpen = state.status === 'open'
  const mayAsk = useMay('annotate') && isOpen && digests.length > 0 && !isTooMany
  const request = (review: boolean) => ask.mutate({ images: digests, proposed: proposed || null, review })
  return (
    <>
      <h2>{counted(rows.length, 'image')} in the lasso</h2>
      {isTooMany ? <p className="bad">At most {count(ASKED_AT_MOST)} at once; draw a smaller lasso.</p> : null}
      <NativeSelect
        label="They show"
        value={proposed}
        onChange={(event) => setProposed(event.currentTarget.value)}
        data={[
          { value: '', label: 'whoever labels shall say' },
          ...state.classes.map((name) => ({ value: name, label: name })),
        ]}
      />
      <div className="lasso-verbs">
        <Button disabled={!mayAsk} loading={ask.isPending} onClick={() => request(false)}>
          Show them next
        </Button>
        <Button variant="default" disabled={!mayAsk} onClick={() => request(true)}>
          Also those labelled already
        </Button>
        <Examples session={session} name={proposed} digests={digests} />
        <Button variant="default" onClick={onClear}>
          Take the lasso away
        </Button>
      </div>
      {ask.isSuccess ? <p role="status">They come as the next screens.</p> : null}
      {ask.error ? <Failure error={ask.error} /> : null}
      <Tiles
        dataset={dataset}
        label="Images in the lasso"
        items={digests.slice(0, SHOWN).map((digest, at) => ({ digest, name: `Image ${at + 1} of the lasso` }))}
        onOpen={onOpen}
      />
      {rows.length > SHOWN ? <p className="muted">The first {count(SHOWN)} are shown.</p> : null}
    </>
  )
}

/** Makes what is drawn round examples of the class that was said of it. */
function Examples({ session, name, digests }: { session: Session; name: string; digests: readonly string[] }) {
  const instructions = useInstructions(session.id).data
  const save = useChange(session.id, '/instructions', put)
  const mayWrite = useMay('run')
  if (!mayWrite || !instructions || !name || !digests.length) return null
  const { text, examples } = instructions
  const images = [...new Set([...(examples[name] ?? []), ...digests])].slice(0, EXAMPLES_AT_MOST)
  return (
    <>
      <Button
        variant="default"
        loading={save.isPending}
        onClick={() => save.mutate({ text, examples: { ...examples, [name]: images } })}
      >
        Make them examples of {name}
      </Button>
      {save.error ? <Failure error={save.error} /> : null}
      {save.isSuccess ? <p role="status">The instructions show {counted(images.length, 'image')} of it.</p> : null}
    </>
  )
}
