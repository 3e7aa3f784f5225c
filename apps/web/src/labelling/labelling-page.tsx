/** The labelling page: a grid of look-alikes, one key for all of them, and quick ways to say which do not belong. */
import '../labelling.css'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { Link, useParams } from 'react-router'
import { get, post, segment, thumbnailUrl } from '../api/client.ts'
import { useMay, useMe } from '../api/queries.ts'
import type { Me, Screen, Session } from '../api/types.ts'
import { Chooser } from '../frame/palette.tsx'
import { Icon } from '../parts/icon.tsx'
import { Empty, Loaded, Page } from '../parts/page.tsx'
import { isTyping } from '../parts/table.tsx'
import { SessionBadge } from '../pages/sessions.tsx'
import { ClassBar } from './class-bar.tsx'
import { Grid, useRoom, type GridHand } from './grid.tsx'
import { Help } from './help.tsx'
import { intentOf, type Intent } from './keys.ts'
import { cap, keyMapOf, type KeyMap, type KeySettings } from './key-map.ts'
import { between, layOut, step, thumbnailFor, type Layout } from './layout.ts'
import { outboxIn } from './outbox.ts'
import { CommentBox, InstructionsPanel, Original, Why } from './panels.tsx'
import { focusOn, mark, select, targets, toggle, YES_NO, type Mark, type ScreenView } from './screen-view.ts'
import { SessionStore, type SessionApi, type Sitting } from './session-store.ts'
import { useSaveSettings, useSettings } from './settings.ts'
import { Standing } from './standing.tsx'

export default function LabellingPage() {
  const { id = '' } = useParams()
  const path = `/api/sessions/${segment(id)}`
  // Once only: from then on the sitting knows better than a refetch.
  const session = useQuery({
    queryKey: [path, 'desk'],
    queryFn: () => get<Session>(path),
    staleTime: Infinity,
    gcTime: 0,
  })
  const settings = useSettings()
  const me = useMe().data
  const may = useMay('annotate')
  return (
    <Loaded query={session}>
      {(record) => {
        if (!may)
          return (
            <Page title={record.dataset}>
              <Empty title={`The role ${me?.role ?? ''} does not label. An owner can give you another one.`} />
            </Page>
          )
        return (
          <Loaded query={settings}>
            {(keys) => <Desk key={record.id} session={record} me={me!} settings={keys} />}
          </Loaded>
        )
      }}
    </Loaded>
  )
}

function apiOf({ id }: Session, preload: (screen: Screen) => void): SessionApi {
  const path = `/api/sessions/${segment(id)}`
  return {
    screens: (count) => get(`${path}/screens?count=${count}`),
    submit: (answer) => post(`${path}/answers`, answer),
    undo: () => post(`${path}/undo`),
    redo: () => post(`${path}/redo`),
    state: async () => (await get<Session>(path)).state,
    preload,
  }
}

/** Fetches the pictures of the next screens in the size in which they will be shown, and keeps them decoded. */
function usePreload(dataset: string, room: { width: number; height: number }): (screen: Screen) => void {
  const now = useRef(room)
  now.current = room
  const [preload] = useState(() => {
    const held = new Map<string, readonly HTMLImageElement[]>()
    return (screen: Screen) => {
      if (held.has(screen.id)) return
      const { cell } = layOut(screen, now.current.width, now.current.height)
      const size = thumbnailFor(cell, window.devicePixelRatio)
      const images = screen.images.map((digest) => {
        const image = new Image()
        image.fetchPriority = 'low'
        image.src = thumbnailUrl(dataset, digest, size)
        return image
      })
      held.set(screen.id, images)
      for (const old of [...held.keys()].slice(0, -6)) held.delete(old)
    }
  })
  return preload
}

type Open = 'screen' | 'image' | 'help' | 'why' | 'comment' | 'instructions' | null

interface DeskProps {
  readonly session: Session
  readonly me: Me
  readonly settings: KeySettings
}

function Desk({ session, me, settings }: DeskProps) {
  const [room, roomRef] = useRoom()
  const preload = usePreload(session.dataset, room)
  const store = useMemo(
    () => new SessionStore(apiOf(session, preload), session.state, outboxIn(localStorage, `${session.id}:${me.name}`)),
    [session, preload, me.name],
  )
  const sitting = useSyncExternalStore(store.subscribe, store.read)
  const [row, setRow] = useState<number | null>(null)
  const [open, setOpen] = useState<Open>(null)
  const [zoomed, setZoomed] = useState<number | null>(null)
  const [original, setOriginal] = useState<string | null>(null)
  const [isSelecting, setSelecting] = useState(false)
  const saving = useSaveSettings()
  const { view, state } = sitting
  const classes = view?.screen.asks === undefined ? state.classes : YES_NO
  const map = useMemo(() => keyMapOf(classes, settings), [classes, settings])
  const layout = useMemo(
    () => (view ? layOut(view.screen, room.width, room.height) : null),
    [view?.screen, room.width, room.height],
  )
  useSittingOf(store, session, sitting.unsent)

  const act = (intent: Intent) => {
    if (intent.do !== 'row') setRow(null)
    if (intent.do === 'undo') return void store.undo()
    if (intent.do === 'redo') return void store.redo()
    if (intent.do === 'help' || intent.do === 'instructions') return setOpen(intent.do)
    if (!view || !layout) return
    if (intent.do === 'row') return setRow(intent.row !== null && intent.row < layout.rows ? intent.row : null)
    if (intent.do === 'cell') {
      if (row === null || intent.column >= layout.columns) return
      const at = layout.places[row * layout.columns + intent.column] ?? null
      return at === null ? undefined : store.change((now) => focusOn(toggle(now, [at]), at))
    }
    if (intent.do === 'move') return store.change((now) => moved(now, layout, intent))
    if (intent.do === 'zoom') return setZoomed(view.focus)
    if (intent.do === 'name-screen') return setOpen(view.screen.asks === undefined ? 'screen' : null)
    if (intent.do === 'name-image') return setOpen(view.screen.asks === undefined ? 'image' : null)
    if (intent.do === 'comment') return setOpen('comment')
    if (intent.do === 'why')
      return isBlind(view.screen) ? store.say('This one is to be judged without help.') : setOpen('why')
    judge(store, view, intent)
  }
  useKeys(store, map, row !== null, act, () => setZoomed(null))

  const hand: GridHand = {
    toggle: (at) => {
      setRow(null)
      store.change((now) => (now.screen.kind === 'single' ? focusOn(now, at) : focusOn(toggle(now, [at]), at)))
    },
    focus: (at) => store.change((now) => (now.selected.size ? now : focusOn(now, at))),
    select: (ats, focus) => store.change((now) => select(now, ats, focus)),
    deselect: () => store.change((now) => focusOn(now, now.focus)),
    zoom: setZoomed,
    original: (at) => setOriginal(view?.screen.images[at] ?? null),
    name: (at) => {
      store.change((now) => (now.selected.has(at) ? now : focusOn(now, at)))
      act({ do: 'name-image' })
    },
  }
  const close = () => setOpen(null)
  return (
    <div className="desk" onPointerDown={() => store.touch()}>
      <h1 className="visually-hidden">Label {session.dataset}</h1>
      <Standing session={session} sitting={sitting} />
      {sitting.trouble && state.status === 'open' ? (
        <p className="desk-trouble" role="alert">
          <Icon name="attention" size={14} /> {sitting.trouble}
        </p>
      ) : null}
      {view && layout ? (
        <>
          <Question sitting={sitting} rowKey={row === null ? null : (map.rows[row] ?? '')} />
          <div className="room" ref={roomRef}>
            <Grid {...{ view, layout, row, isSelecting, hand }} dataset={session.dataset} rowKeys={map.rows} />
          </div>
          <ClassBar {...{ map, view, isSelecting, act }} onSelecting={setSelecting} />
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
        open={open === 'screen' || open === 'image'}
        onClose={close}
        label={open === 'image' ? 'Class of this image' : 'Class of the screen'}
        choices={classes.map((name) => ({
          label: name,
          hint: 'class',
          choose: () => act({ do: open === 'image' ? 'classify' : 'label', class: name }),
        }))}
        {...(open === 'image' ? { other: (typed: string) => newClass(typed, (name) => act({ do: 'new', name })) } : {})}
      />
      <Help {...{ settings, saving }} open={open === 'help'} onClose={close} classes={state.classes} />
      {open === 'instructions' ? <InstructionsPanel session={session} onClose={close} /> : null}
      {view && open === 'why' ? (
        <Why session={session} screen={view.screen.id} image={view.screen.images[view.focus]!} onClose={close} />
      ) : null}
      {view && open === 'comment' ? (
        <CommentBox
          text={view.comment}
          onSave={(comment) => store.change((now) => ({ ...now, comment }))}
          onClose={close}
        />
      ) : null}
      {original ? <Original dataset={session.dataset} digest={original} onClose={() => setOriginal(null)} /> : null}
      {view && zoomed !== null ? (
        <div className="zoom" aria-hidden="true">
          <img src={thumbnailUrl(session.dataset, view.screen.images[zoomed]!, 640)} alt="" />
        </div>
      ) : null}
    </div>
  )
}

/** What is said of the images in hand, or of all of them. */
function judge(store: SessionStore, view: ScreenView, intent: Intent): void {
  const { screen, marks } = view
  const isSingle = screen.kind === 'single'
  const ats = targets(view)
  const markAll = (value: Mark | null) => store.change((now) => mark(now, ats, value))
  switch (intent.do) {
    case 'label':
      return screen.pair ? markAll({ class: intent.class }) : store.answer(intent.class)
    case 'accept':
    case 'all': {
      const whole = screen.pair?.[0] ?? screen.proposed
      if (whole === null) return store.say('Choose a class by its key.')
      if (intent.do === 'all' && marks.some(Boolean)) return store.say('Some are marked: Enter takes the others.')
      return store.answer(whole)
    }
    case 'skip':
      store.change((now) => mark(now, [...now.marks.keys()], null))
      return store.answer(null)
    case 'classify':
      return isSingle ? store.answer(intent.class) : markAll({ class: intent.class })
    case 'toggle':
      return isSingle ? undefined : store.change((now) => toggle(now, ats))
    case 'guess': {
      const guessed = ats.filter((at) => screen.secondGuess[at] != null)
      if (!guessed.length) return store.say('There is no second guess for this image.')
      if (isSingle) return store.answer(screen.secondGuess[0]!)
      for (const name of new Set(guessed.map((at) => screen.secondGuess[at]!)))
        store.change((now) =>
          mark(
            now,
            guessed.filter((at) => screen.secondGuess[at] === name),
            { class: name },
          ),
        )
      return
    }
    case 'mark':
    case 'new': {
      const value: Mark =
        intent.do === 'new' ? { class: null, why: 'new', note: intent.name } : { class: null, why: intent.why }
      const isGiven = intent.do === 'mark' && !isSingle && ats.every((at) => marks[at]?.why === intent.why)
      markAll(isGiven ? null : value)
      return isSingle ? store.answer(null) : undefined
    }
    case 'select-all':
      return store.change((now) => select(now, [...now.marks.keys()], now.focus))
    case 'deselect':
      return store.change((now) => focusOn(now, now.focus))
  }
}

function moved(view: ScreenView, layout: Layout, intent: Extract<Intent, { do: 'move' }>): ScreenView {
  const to = step(layout, view.focus, intent.columns, intent.rows)
  return intent.extends ? select(view, between(layout, view.anchor, to), to) : focusOn(view, to)
}

/** Nothing is proposed for these: a look of one's own is what is asked for. */
const isBlind = ({ kind, proposed }: Screen): boolean => kind === 'single' && proposed === null

function newClass(typed: string, choose: (name: string) => void) {
  const name = typed.trim().slice(0, 60)
  return name ? { label: name, hint: 'a new class', choose: () => choose(name) } : null
}

/** Opens and closes the sitting with the page, and holds back whoever leaves with answers that are not stored. */
function useSittingOf(store: SessionStore, { dataset }: Session, unsent: number): void {
  useEffect(() => {
    document.title = `Label ${dataset} · Gyre`
    store.open()
    const onOnline = () => store.retry()
    window.addEventListener('online', onOnline)
    return () => {
      window.removeEventListener('online', onOnline)
      store.close()
    }
  }, [store, dataset])
  useEffect(() => {
    if (!unsent) return
    const onLeave = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', onLeave)
    return () => window.removeEventListener('beforeunload', onLeave)
  }, [unsent > 0])
}

function useKeys(
  store: SessionStore,
  map: KeyMap,
  waitsForColumn: boolean,
  act: (intent: Intent) => void,
  onRelease: () => void,
): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      const elsewhere = (event.target as HTMLElement).closest('a, button:not(.tile)') !== null
      if (elsewhere && (event.key === 'Enter' || event.key === ' ')) return
      const intent = intentOf(event, map, waitsForColumn)
      if (!intent) return
      event.preventDefault()
      if (event.repeat && intent.do !== 'move') return
      store.touch()
      act(intent)
    }
    const onKeyUp = () => onRelease()
    window.addEventListener('keydown', onKey)
    window.addEventListener('keyup', onKeyUp)
    return () => {
      window.removeEventListener('keydown', onKey)
      window.removeEventListener('keyup', onKeyUp)
    }
  })
}

/** What the annotator is asked, in one line. */
function Question({ sitting, rowKey }: { sitting: Sitting; rowKey: string | null }) {
  const { view } = sitting
  const { screen, marks, selected } = view!
  const misfits = marks.filter(Boolean).length
  const images = screen.images.length
  const says = () => {
    if (rowKey !== null) return `Row ${cap(rowKey)}: press its column`
    if (selected.size) return `${selected.size} selected: X marks them, Shift and a class names them`
    if (misfits) return `${misfits} of ${images} marked`
    return images > 1 ? sitting.said : ''
  }
  return (
    <div className="question">
      <p>{questionOf(screen, misfits)}</p>
      <p className="muted" aria-live="polite">
        {screen.requestedBy ? `Asked for by ${screen.requestedBy}. ` : ''}
        {says()}
      </p>
    </div>
  )
}

function questionOf(screen: Screen, misfits: number) {
  const { kind, pair, proposed, asks, vouches } = screen
  if (pair)
    return (
      <>
        Left all <strong>{pair[0]}</strong>, right all <strong>{pair[1]}</strong>?
      </>
    )
  if (asks !== undefined) {
    if (proposed === null) return <>Which of these show {article(asks)}?</>
    return (
      <>
        {proposed === 'yes' ? 'Do all of these show' : 'Do none of these show'} {article(asks)}?
      </>
    )
  }
  if (kind === 'single') return 'What does this image show?'
  if (proposed === null) return 'What do most of these show?'
  const follow = vouches && !misfits ? ` If so, ${vouches.toLocaleString('en')} look-alikes are, too.` : ''
  return (
    <>
      Are these all <strong>{proposed}</strong>?{follow}
    </>
  )
}

const article = (name: string) => <strong>{name}</strong>

/** No screen in hand: the engine plans, or the session is over and the run goes on. */
function Rest({ session, sitting }: { session: Session; sitting: Sitting }) {
  const { state, unsent } = sitting
  if (state.status === 'open')
    return (
      <div className="rest" role="status">
        <p>{unsent ? 'Storing your answers…' : 'Planning the next screens…'}</p>
        {!unsent && state.people > 1 ? <p className="muted">Others may be at the last ones of this round.</p> : null}
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
