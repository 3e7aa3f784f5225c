/** Where the session stands: done, certified, the pace beside labelling one by one, what is left, and what is stored. */
import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'react-router'
import { segment } from '../api/client.ts'
import { useAction } from '../api/queries.ts'
import type { Session, SessionState } from '../api/types.ts'
import { count, duration, percent } from '../parts/format.ts'
import { Bar, Failure } from '../parts/page.tsx'
import type { Sitting } from './session-store.ts'

/** A person who labels one image after the other by keyboard needs this long for each (research/labelling: t_single). */
const ONE_BY_ONE_SECONDS = 1.93
const TRUSTED_IMAGES = 60

export function Standing({ session, sitting }: { session: Session; sitting: Sitting }) {
  const { state, unsent } = sitting
  const perImage = pace(sitting)
  return (
    <header className="standing">
      <div className="standing-done">
        <Link to={`/datasets/${session.dataset}`} className="standing-name">
          {session.dataset}
        </Link>
        <Bar done={state.labelled} total={state.images} label="Labelled images" />
        <span className="figure">
          {count(state.labelled)} of {count(state.images)}
        </span>
      </div>
      <dl className="standing-facts">
        <div>
          <dt>Certified right</dt>
          <dd>{state.certified ? `≥ ${percent(state.certified.atLeast)}` : 'not yet'}</dd>
        </div>
        <div>
          <dt>An image takes</dt>
          <dd>{perImage === null ? '–' : `${perImage.toFixed(2)} s (one by one ${ONE_BY_ONE_SECONDS} s)`}</dd>
        </div>
        <div>
          <dt>Left</dt>
          <dd>{left(state)}</dd>
        </div>
        <div>
          <dt>Answers</dt>
          <dd>{unsent ? `storing ${unsent}` : 'all stored'}</dd>
        </div>
      </dl>
      {state.status === 'open' ? <Stop session={session} state={state} /> : null}
    </header>
  )
}

/** Seconds for one image: measured in this sitting once it says something, else by the cost model. */
function pace({ pace: { images, activeMs }, state }: Sitting): number | null {
  if (images >= TRUSTED_IMAGES) return activeMs / 1000 / images
  return state.labelled > 0 ? state.humanSeconds / state.labelled : null
}

function left({ screensLeft, screens, humanSeconds }: SessionState): string {
  if (screensLeft === null) return 'not known yet'
  if (screensLeft === 0) return 'nothing'
  const time = screens > 0 ? `, about ${duration((humanSeconds / screens) * screensLeft * 1000)}` : ''
  return `${count(screensLeft)} screen${screensLeft === 1 ? '' : 's'}${time}`
}

function Stop({ session, state }: { session: Session; state: SessionState }) {
  const [asking, setAsking] = useState(false)
  const stop = useAction(`/api/sessions/${segment(session.id)}/stop`)
  const rest = state.images - state.labelled
  return (
    <>
      <Button variant="default" size="compact-sm" className="standing-stop" onClick={() => setAsking(true)}>
        Stop labelling
      </Button>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Stop labelling">
        <p>
          The run goes on with the labels there are.{' '}
          {rest ? `${count(rest)} images stay without one.` : 'Every image has one.'}
          {state.certified ? '' : ' Nothing is certified yet.'}
        </p>
        {stop.error ? <Failure error={stop.error} /> : null}
        <div className="buttons">
          <Button loading={stop.isPending} onClick={() => stop.mutate({}, { onSuccess: () => setAsking(false) })}>
            Stop with {count(state.labelled)} labels
          </Button>
          <Button variant="default" onClick={() => setAsking(false)}>
            Go on labelling
          </Button>
        </div>
      </Modal>
    </>
  )
}
