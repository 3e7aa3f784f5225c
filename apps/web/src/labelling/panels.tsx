/** What opens over the desk and leaves it where it was: reasons, a comment, instructions, one image as it is. */
import { Button, Modal, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { get, imageUrl, segment, thumbnailUrl, type ApiProblem } from '../api/client.ts'
import type { Instructions, Reasons, Session } from '../api/types.ts'
import { percent } from '../parts/format.ts'
import { Facts, Failure, Skeleton } from '../parts/page.tsx'
import { useInstructions } from './queries.ts'

interface WhyProps {
  readonly session: Session
  readonly screen: string
  readonly image: string
  readonly onClose: () => void
}

/** Why the engine thinks what it thinks; shown only when somebody asks. */
export function Why({ session, screen, image, onClose }: WhyProps) {
  const path = `/api/sessions/${segment(session.id)}/screens/${segment(screen)}/reasons?image=${image}`
  const reasons = useQuery<Reasons, ApiProblem>({ queryKey: [path], queryFn: () => get(path), retry: false, gcTime: 0 })
  return (
    <Modal opened onClose={onClose} title="Why is this proposed?" size="lg">
      {reasons.error ? <Failure error={reasons.error} /> : null}
      {reasons.isPending ? <Skeleton /> : null}
      {reasons.data ? (
        <div className="why">
          <img className="why-image" src={thumbnailUrl(session.dataset, image, 320)} alt="The image in question" />
          <div className="why-says">
            <Facts facts={factsOf(reasons.data)} />
            {reasons.data.neighbours.length ? (
              <>
                <h3>The most alike that people labelled</h3>
                <ul className="why-neighbours">
                  {reasons.data.neighbours.map(({ digest, class: name, similarity }) => (
                    <li key={digest}>
                      <img src={thumbnailUrl(session.dataset, digest, 160)} alt="" />
                      <span>{name}</span>
                      <span className="muted">{similarity.toFixed(2)}</span>
                    </li>
                  ))}
                </ul>
              </>
            ) : (
              <p className="muted">Nobody has labelled anything like it yet.</p>
            )}
          </div>
        </div>
      ) : null}
    </Modal>
  )
}

function factsOf({ predicted, chance, margin, cluster }: Reasons): readonly (readonly [string, ReactNode])[] {
  return [
    ['Predicted', predicted ?? 'nothing yet'],
    ['Chance that it is right', chance === null ? '–' : percent(chance)],
    ['Lead over the second class', margin === null ? '–' : margin.toFixed(2)],
    ['Cluster', cluster === null ? '–' : `no. ${cluster}`],
  ]
}

interface CommentProps {
  readonly text: string
  readonly onSave: (text: string) => void
  readonly onClose: () => void
}

export function CommentBox({ text, onSave, onClose }: CommentProps) {
  const [typed, setTyped] = useState(text)
  const save = () => {
    onSave(typed.trim())
    onClose()
  }
  return (
    <Modal opened onClose={onClose} title="Comment on this screen">
      <Textarea
        data-autofocus
        autoFocus
        aria-label="Comment"
        description="Goes with your answer, to whoever leads the session. Ctrl Enter keeps it."
        autosize
        minRows={3}
        maxLength={2_000}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save()
        }}
      />
      <div className="buttons">
        <Button onClick={save}>Keep the comment</Button>
      </div>
    </Modal>
  )
}

/** What the classes mean, in words and by images. */
export function InstructionsPanel({ session, onClose }: { session: Session; onClose: () => void }) {
  const instructions = useInstructions(session.id)
  return (
    <Modal opened onClose={onClose} title={`How to label ${session.dataset}`} size="xl">
      {instructions.error ? <Failure error={instructions.error} /> : null}
      {instructions.data ? (
        <InstructionsText dataset={session.dataset} instructions={instructions.data} />
      ) : (
        <Skeleton />
      )}
    </Modal>
  )
}

export function InstructionsText({ dataset, instructions }: { dataset: string; instructions: Instructions }) {
  const examples = Object.entries(instructions.examples).filter(([, images]) => images.length)
  if (!instructions.text.trim() && !examples.length)
    return <p className="muted">Nobody wrote instructions yet. Whoever leads the session can, on its lead page.</p>
  return (
    <>
      <Prose text={instructions.text} />
      {examples.map(([name, images]) => (
        <section key={name} className="examples">
          <h3>{name}</h3>
          <ul className="example-images" aria-label={`Examples of ${name}`}>
            {images.map((digest) => (
              <li key={digest}>
                <img src={thumbnailUrl(dataset, digest, 160)} alt={`Example of ${name}`} loading="lazy" />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

/** The little of Markdown that instructions need: headings, lists, paragraphs, and bold words. */
function Prose({ text }: { text: string }) {
  const blocks = text
    .trim()
    .split(/\n\s*\n/)
    .filter(Boolean)
  return (
    <div className="prose">
      {blocks.map((block, at) => {
        const lines = block.split('\n')
        if (lines.every((line) => /^\s*[-*] /.test(line)))
          return (
            <ul key={at}>
              {lines.map((line, item) => (
                <li key={item}>{bold(line.replace(/^\s*[-*] /, ''))}</li>
              ))}
            </ul>
          )
        const heading = /^#{1,3} (.*)$/.exec(block)
        return heading ? <h3 key={at}>{heading[1]}</h3> : <p key={at}>{bold(block)}</p>
      })}
    </div>
  )
}

function bold(text: string): ReactNode {
  return text.split(/\*\*(.+?)\*\*/).map((part, at) => (at % 2 ? <strong key={at}>{part}</strong> : part))
}

interface OriginalProps {
  readonly dataset: string
  readonly digest: string
  readonly onClose: () => void
}

export function Original({ dataset, digest, onClose }: OriginalProps) {
  return (
    <Modal opened onClose={onClose} title="As it was imported" size="auto" centered>
      <img className="original" src={imageUrl(dataset, digest)} alt="" />
    </Modal>
  )
}
