/** What people should know: words, and example images of each class. Shown on the desk with one key. */
import { Button, Textarea } from '@mantine/core'
import { useState } from 'react'
import { put, thumbnailUrl } from '../api/client.ts'
import type { Instructions, Session } from '../api/types.ts'
import { moment } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Failure, Loaded, Section } from '../parts/page.tsx'
import { InstructionsText } from './panels.tsx'
import { useChange, useInstructions } from './queries.ts'

export function LeadInstructions({ session, mayWrite }: { session: Session; mayWrite: boolean }) {
  const [isWriting, setWriting] = useState(false)
  return (
    <Section
      title="Instructions"
      aside={
        mayWrite && !isWriting ? (
          <button type="button" className="more" onClick={() => setWriting(true)}>
            Write them
          </button>
        ) : null
      }
    >
      <Loaded query={useInstructions(session.id)}>
        {(instructions) =>
          isWriting ? (
            <Writing session={session} instructions={instructions} onDone={() => setWriting(false)} />
          ) : (
            <>
              <InstructionsText dataset={session.dataset} instructions={instructions} />
              {instructions.by && instructions.at ? (
                <p className="muted">
                  {instructions.by}, {moment(instructions.at)}
                </p>
              ) : null}
            </>
          )
        }
      </Loaded>
    </Section>
  )
}

interface WritingProps {
  readonly session: Session
  readonly instructions: Instructions
  readonly onDone: () => void
}

function Writing({ session, instructions, onDone }: WritingProps) {
  const [text, setText] = useState(instructions.text)
  const [examples, setExamples] = useState(instructions.examples)
  const save = useChange<Instructions>(session.id, '/instructions', put)
  return (
    <form
      className="instructions-form"
      aria-label="Instructions"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate({ text, examples }, { onSuccess: onDone })
      }}
    >
      <Textarea
        label="In words"
        description="A line that begins with # is a heading, one with - an item of a list; **bold**."
        autosize
        minRows={5}
        maxLength={20_000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <p className="muted">
        Example images are chosen on the map: draw round some, and make them examples of their class.
      </p>
      {Object.entries(examples).map(([name, images]) =>
        images.length ? (
          <section key={name} className="examples">
            <h3>{name}</h3>
            <ul className="example-images" aria-label={`Examples of ${name}`}>
              {images.map((digest, at) => (
                <li key={digest}>
                  <img src={thumbnailUrl(session.dataset, digest, 160)} alt="" />
                  <button
                    type="button"
                    className="quiet-button"
                    aria-label={`Take example ${at + 1} of ${name} away`}
                    onClick={() => setExamples({ ...examples, [name]: images.filter((one) => one !== digest) })}
                  >
                    <Icon name="failed" size={12} />
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ) : null,
      )}
      {save.error ? <Failure error={save.error} /> : null}
      <div className="buttons">
        <Button type="submit" loading={save.isPending}>
          Save the instructions
        </Button>
        <Button variant="default" onClick={onDone}>
          Leave them as they were
        </Button>
      </div>
    </form>
  )
}
