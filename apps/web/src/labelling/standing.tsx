/** Where the session stands: done, certified, the pace beside labelling one by one, what is left, and what is stored. */
import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'react-router'
import { segment } from '../api/client.ts'
import { useAction, useMay } from '../api/queries.ts'
import type { Session, SessionState } from '../api/types.ts'
import { count, percent } from '../parts/format.ts'
import { Bar, Failure } from '../parts/page.tsx'
import { left } from './left.ts'
import type { Sitting } from './session-store.ts'

/** Before control tasks measured it: seconds of one image after the other by keyboard (research: t_single, CIFAR-10H). */
const ONE_BY_ONE_SECONDS = 1.93
const TRUSTED_IMAGES = 60

export function Standing({ session, sitting }: { session: Session; sitting: Sitting }) {
  const { state, unsent } = sitting
  const mayLead = useMay('run')
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
          <dt>Certified</dt>
          <dd>{state.certified ? `≥ ${percent(state.certified.atLeast)} right` : 'not yet'}</dd>
        </div>
        <div>
          <dt>An image takes</dt>
          <dd>
            <Pace sitting={sitting} />
          </dd>
        </div>
        <div>
          <dt>Left</dt>
          <dd>{left(state)}</dd>
        </div>
        <div>
          <dt>Answers</dt>
          <dd data-waiting={unsent > 0}>{unsent ? `storing ${unsent}` : 'all stored'}</dd>
        </div>
      </dl>
      <div className="standing-verbs">
        {mayLead ? <Link to={`/labelling/${segment(session.id)}/lead`}>Lead</Link> : null}
        {state.status === 'open' ? <Stop session={session} state={state} /> : null}
      </div>
    </header>
  )
}

function Pace({ sitting }: { sitting: Sitting }) {
  const now = paceOf(sitting)
  const { control } = sitting.state.pace
  const single = control ?? ONE_BY_ONE_SECONDS
  if (now === null) return <>–</>
  const note = control === null ? 'from studies; yours is measured as you go' : 'measured on images shown alone'
  return (
    <>
      {now.toFixed(2)} s <span className="muted" title={note}>{`one by one ${single.toFixed(2)} s`}</span>
      {single > now ? <span className="times"> ×{(single / now).toFixed(1)}</span> : null}
    </>
  )
}

/** Seconds for one image: measured in this sitting once it says something, else by everybody so far, else by the model. */
function paceOf({ pace: { images, activeMs }, state }: Sitting): number | null {
  if (images >= TRUSTED_IMAGES) return activeMs / 1000 / images
  if (state.pace.grid !== null) return state.pace.grid
  return state.labelled > 0 && state.humanSeconds > 0 ? state.humanSeconds / state.labelled : null
}

export function Stop({ session, state }: { session: Session; state: SessionState }) {
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
