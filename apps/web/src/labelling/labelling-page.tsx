/** The labelling page: a grid of look-alikes, one key for all of them, and quick ways to say which do not belong. */
import '../labelling.css'
import { Modal } from '@mantine/core'
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { Link, useParams } from 'react-router'
import { useQuery } from '@tanstack/react-query'
import { get, post, segment, thumbnailUrl } from '../api/client.ts'
import { useMay, useMe } from '../api/queries.ts'
import type { Session } from '../api/types.ts'
import { Chooser } from '../frame/palette.tsx'
import { Icon } from '../parts/icon.tsx'
import { Empty, Loaded, Page } from '../parts/page.tsx'
import { isTyping } from '../parts/table.tsx'
import { SessionBadge } from '../pages/sessions.tsx'
import { ClassBar } from './class-bar.tsx'
import { fit } from './fit.ts'
import { Grid, useRoom } from './grid.tsx'
import { Help } from './help.tsx'
import { intentOf, type Intent } from './keys.ts'
import { mark, move, toggle } from './screen-view.ts'
import { SessionStore, type SessionApi, type Sitting } from './session-store.ts'
import { Standing } from './standing.tsx'

export default function LabellingPage() {
  const { id = '' } = useParams()
  const path = `/api/sessions/${segment(id)}`
  // Once only: from then on the sitting knows better than a refetch.
  const session = useQuery({ queryKey: [path], queryFn: () => get<Session>(path), staleTime: Infinity, gcTime: 0 })
  const me = useMe().data
  const may = useMay('annotate')
  return (
    <Loaded query={session}>
      {(record) =>
        may ? (
          <Desk key={record.id} session={record} />
        ) : (
          <Page title={record.dataset}>
            <Empty title={`The role ${me?.role ?? ''} does not label. An owner can give you another one.`} />
          </Page>
        )
      }
    </Loaded>
  )
}

function apiOf({ id, dataset }: Session): SessionApi {
  const path = `/api/sessions/${segment(id)}`
  return {
    screens: (count) => get(`${path}/screens?count=${count}`),
    submit: (answer) => post(`${path}/answers`, answer),
    undo: () => post(`${path}/undo`),
    state: async () => (await get<Session>(path)).state,
    preload: ({ images, kind }) => {
      for (const digest of images) {
        const image = new Image()
        image.fetchPriority = 'low'
        image.src = thumbnailUrl(dataset, digest, kind === 'single' ? 640 : 160)
      }
    },
  }
}

type Choosing = 'screen' | 'image' | null

function Desk({ session }: { session: Session }) {
  const store = useMemo(() => new SessionStore(apiOf(session), session.state), [session])
  const sitting = useSyncExternalStore(store.subscribe, store.read)
  const [row, setRow] = useState<number | null>(null)
  const [choosing, setChoosing] = useState<Choosing>(null)
  const [helping, setHelping] = useState(false)
  const [zoomed, setZoomed] = useState(false)
  const [room, roomRef] = useRoom()
  const { view } = sitting
  const layout = fit(view?.screen.images.length ?? 1, room.width, room.height)

  useEffect(() => {
    document.title = `Label ${session.dataset} · Gyre`
    store.open()
    return () => store.close()
  }, [store, session.dataset])

  const act = (intent: Intent) => {
    if (intent.do !== 'row') setRow(null)
    if (intent.do === 'undo') return void store.undo()
    if (intent.do === 'help') return setHelping(true)
    if (!view) return
    const { screen, focus } = view
    const single = screen.kind === 'single'
    switch (intent.do) {
      case 'label':
        return store.answer(intent.class)
      case 'accept':
        if (screen.proposed === null) return store.say('Choose a class by its key.')
        return store.answer(screen.proposed)
      case 'skip':
        store.change((now) => ({ ...now, marks: now.marks.map(() => null) }))
        return store.answer(null)
      case 'classify':
        if (single) return store.answer(intent.class)
        return store.change((now) => mark(now, focus, { class: intent.class }))
      case 'toggle':
        return single ? undefined : store.change((now) => toggle(now, focus))
      case 'guess': {
        const guess = screen.secondGuess[focus]
        if (guess == null) return store.say('There is no second guess for this image.')
        if (single) return store.answer(guess)
        return store.change((now) => mark(now, focus, { class: guess }))
      }
      case 'why': {
        const given = view.marks[focus]?.why === intent.why && !single
        store.change((now) => mark(now, focus, given ? null : { class: null, why: intent.why }))
        return single ? store.answer(null) : undefined
      }
      case 'move':
        return store.change((now) => move(now, intent.columns, intent.rows, layout.columns))
      case 'row':
        return setRow(intent.row !== null && intent.row * layout.columns < screen.images.length ? intent.row : null)
      case 'cell':
        if (row === null || intent.column >= layout.columns) return
        return store.change((now) => toggle(now, row * layout.columns + intent.column))
      case 'name-screen':
        return setChoosing('screen')
      case 'name-image':
        return setChoosing('image')
      case 'zoom':
        return setZoomed(true)
    }
  }

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      const elsewhere = (event.target as HTMLElement).closest('a, button:not(.tile)') !== null
      if (elsewhere && (event.key === 'Enter' || event.key === ' ')) return
      const intent = intentOf(event, session.classes, row !== null)
      if (!intent) return
      event.preventDefault()
      if (event.repeat && intent.do !== 'move') return
      store.touch()
      act(intent)
    }
    const onKeyUp = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === 'z') setZoomed(false)
    }
    window.addEventListener('keydown', onKey)
    window.addEventListener('keyup', onKeyUp)
    return () => {
      window.removeEventListener('keydown', onKey)
      window.removeEventListener('keyup', onKeyUp)
    }
  })

  return (
    <div className="desk" onPointerDown={() => store.touch()}>
      <h1 className="visually-hidden">Label {session.dataset}</h1>
      <Standing session={session} sitting={sitting} />
      {sitting.trouble && sitting.state.status === 'open' ? (
        <p className="desk-trouble" role="alert">
          <Icon name="attention" size={14} /> {sitting.trouble}
        </p>
      ) : null}
      {view ? (
        <>
          <Question sitting={sitting} row={row} />
          <div className="room" ref={roomRef}>
            <Grid
              dataset={session.dataset}
              view={view}
              layout={layout}
              row={row}
              onToggle={(at) => {
                setRow(null)
                store.change((now) => (now.screen.kind === 'single' ? now : toggle(now, at)))
              }}
              onFocus={(at) => store.change((now) => ({ ...now, focus: at }))}
            />
          </div>
          <ClassBar
            classes={session.classes}
            screen={view.screen}
            marked={view.marks[view.focus] != null}
            misfits={view.marks.filter(Boolean).length}
            act={act}
          />
        </>
      ) : (
        <div className="room" ref={roomRef}>
          <Rest session={session} sitting={sitting} />
        </div>
      )}
      <p className="visually-hidden" aria-live="polite">
        {sitting.said}
      </p>
      <Chooser
        open={choosing !== null}
        onClose={() => setChoosing(null)}
        label={choosing === 'image' ? 'Class of this image' : 'Class of the screen'}
        choices={session.classes.map((name) => ({
          label: name,
          hint: 'class',
          choose: () => act({ do: choosing === 'image' ? 'classify' : 'label', class: name }),
        }))}
      />
      <Help open={helping} onClose={() => setHelping(false)} />
      {view && zoomed ? (
        <Modal opened onClose={() => setZoomed(false)} withCloseButton={false} centered size="auto" trapFocus={false}>
          <img className="zoomed" src={thumbnailUrl(session.dataset, view.screen.images[view.focus]!, 640)} alt="" />
        </Modal>
      ) : null}
    </div>
  )
}

/** What the annotator is asked, in one line. */
function Question({ sitting, row }: { sitting: Sitting; row: number | null }) {
  const { screen, marks } = sitting.view!
  const misfits = marks.filter(Boolean).length
  const images = screen.images.length
  return (
    <div className="question">
      <p>
        {screen.kind === 'single' ? (
          'What does this image show?'
        ) : screen.proposed ? (
          <>
            Are these all <strong>{screen.proposed}</strong>?
          </>
        ) : (
          'What do most of these show?'
        )}
      </p>
      <p className="muted" aria-live="polite">
        {row !== null
          ? `Row ${'acdefh'[row]}: press its column`
          : misfits
            ? `${misfits} of ${images} marked as misfit${misfits === 1 ? '' : 's'}`
            : sitting.said && images > 1
              ? sitting.said
              : ''}
      </p>
    </div>
  )
}

/** No screen in hand: the engine plans, or the session is over and the run goes on. */
function Rest({ session, sitting }: { session: Session; sitting: Sitting }) {
  const { state, unsent } = sitting
  if (state.status === 'open')
    return (
      <div className="rest" role="status">
        <p>{unsent ? 'Storing your answers…' : 'Planning the next screens…'}</p>
      </div>
    )
  return (
    <div className="rest" role="status">
      <SessionBadge status={state.status} />
      <h2>{state.status === 'stopped' ? 'Labelling was stopped' : 'Labelling is done'}</h2>
      <p>The answers are kept, and the run goes on with them.</p>
      <p className="rest-links">
        {session.run ? (
          <Link to={`/runs/${session.run}`}>
            Watch the run <Icon name="arrow" size={14} />
          </Link>
        ) : null}
        <Link to={`/datasets/${session.dataset}`}>
          Look at the dataset <Icon name="arrow" size={14} />
        </Link>
      </p>
    </div>
  )
}
