/** What can be done with images: the consequence first, then a reason, then a new version. Nothing is ever overwritten. */
import { Button, Modal, TextInput } from '@mantine/core'
import { useId, useState, type ReactNode } from 'react'
import { useMay } from '../api/queries.ts'
import { counted } from '../parts/format.ts'
import { Failure } from '../parts/page.tsx'
import { useShown } from './frame.tsx'
import { useChange, type Change } from './queries.ts'
import type { ChangeAction } from './types.ts'

/** The images of an action: those that fit a condition, or these. */
export type Target = { readonly where: string } | { readonly digests: readonly string[] }

interface Words {
  /** On the button of the bar. */
  readonly verb: string
  /** What follows from it, before it is done. */
  readonly told: (images: string, areFew: boolean) => string
  readonly done: (images: string) => string
  readonly asksLabel?: string
}

/** Of so many images marked one by one a person saw each. */
const SEEN_AT_MOST = 500

const WORDS: Readonly<Record<ChangeAction, Words>> = {
  exclude: {
    verb: 'Leave out',
    told: (images) => `${images} will be left out of training, of held-out figures and of labelling. They stay stored.`,
    done: (images) => `${images} left out`,
  },
  include: {
    verb: 'Take back in',
    told: (images) => `${images} will count again as if they had never been left out.`,
    done: (images) => `${images} taken back in`,
  },
  label: {
    verb: 'Label',
    told: (images, areFew) =>
      areFew
        ? `${images} will have this class, as your judgement of each of them.`
        : `${images} will have this class as inferred, but those that a person saw: they stay as they are.`,
    done: (images) => `${images} labelled`,
    asksLabel: 'Class',
  },
  ask: {
    verb: 'Send to labelling',
    told: (images) => `Labels of ${images} that no person gave will be cleared; the next labelling run asks for them.`,
    done: (images) => `${images} will be asked for`,
  },
  tag: {
    verb: 'Tag',
    told: (images) => `${images} will carry this tag; a query finds them by it.`,
    done: (images) => `${images} tagged`,
    asksLabel: 'Tag',
  },
}

interface ActionBarProps {
  readonly images: number
  readonly target: Target
  readonly onClear: () => void
  /** Further things to do, as buttons. */
  readonly children?: ReactNode
}

/** Stands at the foot of the page while anything is selected. */
export function ActionBar({ images, target, onClear, children }: ActionBarProps) {
  return (
    <div className="action-bar" role="toolbar" aria-label="Selected images">
      <strong className="figure">{counted(images, 'image')}</strong>
      <ActionButtons images={images} target={target} onDone={onClear} />
      {children}
      <button type="button" className="quiet-button action-clear" onClick={onClear}>
        Clear
      </button>
    </div>
  )
}

interface ActionButtonsProps {
  readonly images: number
  readonly target: Target
  readonly onDone?: () => void
  readonly actions?: readonly ChangeAction[]
}

const ALL: readonly ChangeAction[] = ['exclude', 'include', 'label', 'ask', 'tag']

export function ActionButtons({ images, target, onDone, actions = ALL }: ActionButtonsProps) {
  const [asked, setAsked] = useState<ChangeAction | null>(null)
  const may = useMay('annotate')
  if (!may) return <span className="muted">Your role looks at images and changes none.</span>
  return (
    <>
      {actions.map((action) => (
        <button key={action} type="button" className="more" onClick={() => setAsked(action)}>
          {WORDS[action].verb}…
        </button>
      ))}
      {asked ? (
        <Confirm
          action={asked}
          images={images}
          target={target}
          onClose={() => setAsked(null)}
          {...(onDone && { onDone })}
        />
      ) : null}
    </>
  )
}

interface ConfirmProps extends ActionButtonsProps {
  readonly action: ChangeAction
  readonly onClose: () => void
}

function Confirm({ action, images, target, onDone, onClose }: ConfirmProps) {
  const { dataset, moveTo } = useShown()
  const change = useChange(dataset.name)
  const [reason, setReason] = useState('')
  const [word, setWord] = useState('')
  const classes = useId()
  const words = WORDS[action]
  const send = () => {
    const body: Change = { version: dataset.version, ...meant(target), ...said(action, word), reason }
    change.mutate(body, {
      onSuccess: (made) => {
        onClose()
        onDone?.()
        moveTo(made.version, words.done(counted(made.images, 'image')))
      },
    })
  }
  return (
    <Modal opened onClose={onClose} title={`${words.verb} ${counted(images, 'image')}`}>
      <form
        className="answer"
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        <p>{words.told(counted(images, 'image'), 'digests' in target && images <= SEEN_AT_MOST)}</p>
        {words.asksLabel ? (
          <>
            <TextInput
              label={words.asksLabel}
              required
              data-autofocus
              autoFocus
              list={action === 'label' ? classes : undefined}
              value={word}
              onChange={(event) => setWord(event.currentTarget.value)}
            />
            <datalist id={classes}>
              {dataset.classes.map((one) => (
                <option key={one.class} value={one.class} />
              ))}
            </datalist>
          </>
        ) : null}
        <TextInput
          label="Why"
          description="Kept in the history of the dataset"
          required
          data-autofocus={words.asksLabel ? undefined : true}
          autoFocus={!words.asksLabel}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <p className="muted">A new version is made; this one stays as it is.</p>
        {change.error ? <Failure error={change.error} /> : null}
        <div className="buttons">
          <Button type="submit" loading={change.isPending}>
            {words.verb} {counted(images, 'image')}
          </Button>
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
        </div>
      </form>
    </Modal>
  )
}

/** No condition means all images of the version. */
const meant = (target: Target): Target | object => ('where' in target && !target.where ? {} : target)

function said(action: ChangeAction, word: string): Pick<Change, 'action' | 'label' | 'tag'> {
  if (action === 'label') return { action, label: word }
  return action === 'tag' ? { action, tag: word } : { action }
}
