/** For whoever leads a session: who did what and how fast, where people disagree, what they should know, what comes next. */
import '../labelling.css'
import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useParams } from 'react-router'
import { thumbnailUrl } from '../api/client.ts'
import { useMay } from '../api/queries.ts'
import type { AnnotatorStats, Disagreement, Session, Vote } from '../api/types.ts'
import { count, counted, duration, moment, percent } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Empty, Facts, Failure, Loaded, Section } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'
import { LeadHead } from './lead-frame.tsx'
import { left } from './left.ts'
import { LeadInstructions } from './lead-instructions.tsx'
import { Original } from './panels.tsx'
import {
  DISPUTES_AT_ONCE,
  sessionPath,
  useAnnotators,
  useChange,
  useComments,
  useDisagreements,
  useSession,
} from './queries.ts'
import { Stop } from './standing.tsx'

export default function LeadPage() {
  const { id = '' } = useParams()
  return <Loaded query={useSession(id)}>{(session) => <Lead session={session} />}</Loaded>
}

function Lead({ session }: { session: Session }) {
  const { state, dataset } = session
  const mayLead = useMay('run')
  const mayLabel = useMay('annotate')
  const [original, setOriginal] = useState<string | null>(null)
  useEffect(() => {
    document.title = `${dataset}, labelling · Gyre`
  }, [dataset])
  const isOpen = state.status === 'open'
  return (
    <div className="dataset">
      <LeadHead session={session} action={isOpen && mayLabel ? <Stop session={session} state={state} /> : null} />
      <div className="page lead">
        <Standing session={session} />
        <People session={session} mayReview={isOpen && mayLabel} />
        <Disagreements session={session} mayAsk={isOpen && mayLabel} onOpen={setOriginal} />
        <LeadInstructions session={session} mayWrite={mayLead} />
        {isOpen ? <Classes session={session} mayChange={mayLead} /> : null}
        <Comments session={session} mayWrite={mayLabel} onOpen={setOriginal} />
        <Exports session={session} />
      </div>
      {original ? <Original dataset={dataset} digest={original} onClose={() => setOriginal(null)} /> : null}
    </div>
  )
}

function Standing({ session: { state } }: { session: Session }) {
  const { pace, people, certified } = state
  const times = pace.grid && pace.control ? ` ×${(pace.control / pace.grid).toFixed(1)}` : ''
  return (
    <Facts
      facts={[
        ['Labelled', `${count(state.labelled)} of ${count(state.images)}`],
        ['Certified', certified ? `≥ ${percent(certified.atLeast)} right` : 'not yet'],
        ['An image on a grid', pace.grid === null ? '–' : `${pace.grid.toFixed(2)} s${times}`],
        ['An image alone', pace.control === null ? 'not measured yet' : `${pace.control.toFixed(2)} s`],
        ['Left', left(state)],
        ['People', count(people)],
      ]}
    />
  )
}

const share = (of: number, all: number): string => (all ? `${percent(of / all, 0)} of ${count(all)}` : '–')

function People({ session, mayReview }: { session: Session; mayReview: boolean }) {
  const review = useChange(session.id, '/requests')
  return (
    <Section title="People">
      <Loaded query={useAnnotators(session.id)}>
        {(people) =>
          people.length ? (
            <Table
              label="People of this session"
              rows={people}
              keyOf={({ annotator }) => annotator}
              columns={[
                { title: 'Name', cell: ({ annotator }) => annotator },
                { title: 'Images', cell: ({ images }) => count(images), figures: true },
                { title: 'Screens', cell: ({ screens }) => count(screens), figures: true, minor: true },
                { title: 'At work', cell: ({ activeMs }) => duration(activeMs), figures: true },
                { title: 'An image takes', cell: paceOf, figures: true },
                { title: 'Misfits', cell: ({ misfits, images }) => share(misfits, images), figures: true, minor: true },
                {
                  title: 'Planted ones found',
                  cell: ({ gold }) => share(gold.shown - gold.missed, gold.shown),
                  figures: true,
                },
                { title: 'Agrees', cell: ({ agreement }) => share(agreement.equal, agreement.images), figures: true },
                { title: 'Last', cell: ({ lastAt }) => (lastAt ? moment(lastAt) : '–'), minor: true },
                ...(mayReview
                  ? [
                      {
                        title: 'Review',
                        cell: ({ annotator }: AnnotatorStats) => (
                          <button
                            type="button"
                            className="more"
                            disabled={review.isPending}
                            aria-label={`Review 96 labels of ${annotator}`}
                            onClick={() => review.mutate({ annotator, count: 96 })}
                          >
                            Review 96
                          </button>
                        ),
                      },
                    ]
                  : []),
              ]}
            />
          ) : (
            <Empty title="Nobody has answered a screen yet." command={`gyre annotate open ${session.dataset}`} />
          )
        }
      </Loaded>
      {review.error ? <Failure error={review.error} /> : null}
      {review.isSuccess ? (
        <p className="muted" role="status">
          They come as the next screens, to whoever labels then.
        </p>
      ) : null}
      <p className="muted">
        Time is active time: a pause counts for at most 30 s, and skips, corrections and withdrawn answers count.
        Planted are known images under a wrong class.
      </p>
    </Section>
  )
}

function paceOf({ secondsPerImage, controls }: AnnotatorStats) {
  if (secondsPerImage === null) return '–'
  const alone = controls.secondsPerImage
  return (
    <>
      {secondsPerImage.toFixed(2)} s
      {alone === null ? null : (
        <span className="muted">
          {' '}
          alone {alone.toFixed(2)} s{alone > secondsPerImage ? `, ×${(alone / secondsPerImage).toFixed(1)}` : ''}
        </span>
      )}
    </>
  )
}

interface DisagreementsProps {
  readonly session: Session
  readonly mayAsk: boolean
  readonly onOpen: (digest: string) => void
}

function Disagreements({ session, mayAsk, onOpen }: DisagreementsProps) {
  const [after, setAfter] = useState<string | null>(null)
  const ask = useChange(session.id, '/requests')
  return (
    <Section title={`Disagreements${session.state.disagreements ? ` (${count(session.state.disagreements)})` : ''}`}>
      <Loaded query={useDisagreements(session.id, after)}>
        {(disputed) =>
          disputed.length ? (
            <>
              <ul className="disputes" aria-label="Images that people see differently">
                {disputed.map((one) => (
                  <Dispute key={one.image} dataset={session.dataset} disputed={one} onOpen={onOpen} />
                ))}
              </ul>
              <div className="buttons">
                {mayAsk ? (
                  <Button
                    variant="default"
                    loading={ask.isPending}
                    onClick={() => ask.mutate({ images: disputed.map(({ image }) => image), review: true })}
                  >
                    Show {disputed.length === 1 ? 'it' : `these ${disputed.length}`} again
                  </Button>
                ) : null}
                {disputed.length === DISPUTES_AT_ONCE ? (
                  <Button variant="default" onClick={() => setAfter(disputed.at(-1)!.image)}>
                    Next
                  </Button>
                ) : null}
                {after ? (
                  <Button variant="default" onClick={() => setAfter(null)}>
                    First
                  </Button>
                ) : null}
              </div>
            </>
          ) : (
            <p className="muted">
              {session.state.people > 1
                ? 'No two people said different things of one image.'
                : 'They show when two people judge the same image; set `overlap` of the annotate step to have that.'}
            </p>
          )
        }
      </Loaded>
      {ask.error ? <Failure error={ask.error} /> : null}
      {ask.isSuccess ? (
        <p className="muted" role="status">
          They come as the next screens.
        </p>
      ) : null}
    </Section>
  )
}

interface DisputeProps {
  readonly dataset: string
  readonly disputed: Disagreement
  readonly onOpen: (digest: string) => void
}

function Dispute({ dataset, disputed: { image, votes, settled }, onOpen }: DisputeProps) {
  return (
    <li>
      <button type="button" className="tile-open" aria-label="See the image" onClick={() => onOpen(image)}>
        <img className="thumbnail" src={thumbnailUrl(dataset, image, 160)} alt="" loading="lazy" />
      </button>
      <dl>
        {votes.map((vote) => (
          <div key={`${vote.screen}${vote.annotator}`}>
            <dt>{vote.annotator}</dt>
            <dd>{wordOf(vote)}</dd>
          </div>
        ))}
      </dl>
      <p className="muted">{settled ? `holds: ${settled.class} (${percent(settled.chance, 0)})` : 'nothing holds'}</p>
    </li>
  )
}

const WHY = { unsure: 'do not know', broken: 'broken', new: 'a new class' } as const
const wordOf = ({ class: name, why }: Vote): string => name ?? (why ? WHY[why] : 'another class')

function Classes({ session, mayChange }: { session: Session; mayChange: boolean }) {
  const [name, setName] = useState('')
  const [removing, setRemoving] = useState<string | null>(null)
  const [into, setInto] = useState('')
  const change = useChange(session.id, '/classes')
  const { classes } = session.state
  const close = () => {
    setRemoving(null)
    setInto('')
  }
  return (
    <Section title="Classes">
      <ul className="class-tags" aria-label="Classes of this session">
        {classes.map((one) => (
          <li key={one}>
            <span className="tag">{one}</span>
            {mayChange && classes.length > 1 ? (
              <button
                type="button"
                className="quiet-button"
                aria-label={`Remove the class ${one}`}
                onClick={() => setRemoving(one)}
              >
                <Icon name="failed" size={12} />
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      {removing ? (
        <form
          className="inline-form"
          aria-label={`Remove the class ${removing}`}
          onSubmit={(event) => {
            event.preventDefault()
            change.mutate({ remove: removing, into: into || null }, { onSuccess: close })
          }}
        >
          <NativeSelect
            label={`Images labelled ${removing}`}
            value={into}
            onChange={(event) => setInto(event.currentTarget.value)}
            data={[
              { value: '', label: 'come back, to be labelled again' },
              ...classes.filter((one) => one !== removing).map((one) => ({ value: one, label: `become ${one}` })),
            ]}
          />
          <Button type="submit" loading={change.isPending}>
            {into ? `Merge ${removing} into ${into}` : `Remove ${removing}`}
          </Button>
          <Button variant="default" onClick={close}>
            Keep it
          </Button>
        </form>
      ) : mayChange ? (
        <form
          className="inline-form"
          aria-label="Add a class"
          onSubmit={(event) => {
            event.preventDefault()
            change.mutate({ add: name.trim() }, { onSuccess: () => setName('') })
          }}
        >
          <TextInput
            label="New class"
            required
            maxLength={60}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button type="submit" variant="default" loading={change.isPending}>
            Add it
          </Button>
        </form>
      ) : null}
      {change.error ? <Failure error={change.error} /> : null}
      {mayChange ? (
        <p className="muted">
          The name of a removed class is not used again. What is certified is certified for the classes there were.
        </p>
      ) : null}
    </Section>
  )
}

function Comments({
  session,
  mayWrite,
  onOpen,
}: {
  session: Session
  mayWrite: boolean
  onOpen: (digest: string) => void
}) {
  const [text, setText] = useState('')
  const write = useChange(session.id, '/comments')
  return (
    <Section title="Comments">
      <Loaded query={useComments(session.id)}>
        {(comments) => (
          <ul className="comments" aria-label="Comments">
            {comments.map(({ at, by, text: said, screen, image }) => (
              <li key={`${at}${by}`}>
                {image ? (
                  <button type="button" className="tile-open" aria-label="See the image" onClick={() => onOpen(image)}>
                    <img className="thumbnail" src={thumbnailUrl(session.dataset, image, 96)} alt="" loading="lazy" />
                  </button>
                ) : null}
                <div>
                  <p className="muted">
                    {by}, {moment(at)}
                    {screen ? `, on screen ${Number(screen)}` : ''}
                  </p>
                  <p>{said}</p>
                </div>
              </li>
            ))}
            {comments.length ? null : <li className="muted">Nobody wrote one yet.</li>}
          </ul>
        )}
      </Loaded>
      {mayWrite ? (
        <form
          className="comment-form"
          aria-label="Write a comment"
          onSubmit={(event) => {
            event.preventDefault()
            write.mutate({ text }, { onSuccess: () => setText('') })
          }}
        >
          <Textarea
            aria-label="Comment"
            placeholder="To everybody who labels here"
            required
            autosize
            maxLength={2_000}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Button type="submit" variant="default" loading={write.isPending}>
            Write it
          </Button>
        </form>
      ) : null}
      {write.error ? <Failure error={write.error} /> : null}
    </Section>
  )
}

const FORMATS = [
  ['csv', 'CSV'],
  ['jsonl', 'JSON lines'],
  ['label-studio', 'Label Studio'],
  ['cvat', 'CVAT'],
] as const

function Exports({ session }: { session: Session }) {
  return (
    <Section title="Labels so far">
      <p className="buttons">
        {FORMATS.map(([format, name]) => (
          <a key={format} className="more" href={sessionPath(session.id, `/export?format=${format}`)} download>
            {name}
          </a>
        ))}
      </p>
      <p className="muted">
        {counted(session.state.labelled, 'label')} of this moment, each with where it is from. The finished version is
        exported from its dataset.
      </p>
    </Section>
  )
}
