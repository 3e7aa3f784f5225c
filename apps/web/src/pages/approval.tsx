/** A question that a run asks of people: what it is about, who has answered, and the form of the answer. */
import { Button, Textarea } from '@mantine/core'
import { useState, type FormEvent } from 'react'
import { fieldsOf, readForm, type FormField } from '../../../../core/approvals/form.ts'
import { useAction } from '../api/queries.ts'
import type { WaitingApproval } from '../api/types.ts'
import { count, moment } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Failure } from '../parts/page.tsx'
import { Artifacts } from './artifacts.tsx'

const ON_DEADLINE = { fail: 'the run fails', approve: 'it counts as approved', refuse: 'it counts as refused' } as const

export function Approval({ approval }: { approval: WaitingApproval }) {
  const { node, question, subject, answers, approvals, asked, deadlineAt, onDeadline, mayAnswer } = approval
  return (
    <section className="notice notice-tall" aria-label={`Approval ${node}`}>
      <Icon name="waiting" />
      <div>
        <p className="failure-title">{question}</p>
        {subject === null || subject === undefined ? null : (
          <details open>
            <summary>What is to be approved</summary>
            <Artifacts outputs={subject} />
          </details>
        )}
        <p className="muted">
          {approvals > 1 ? `${count(answers.length)} of ${count(approvals)} people have approved. ` : ''}
          {asked.length ? `Asked: ${asked.map(nameOf).join(', ')}. ` : ''}
          {deadlineAt ? `By ${moment(deadlineAt)}; after that ${ON_DEADLINE[onDeadline]}.` : ''}
        </p>
        {answers.length ? (
          <ul className="plain">
            {answers.map(({ by, at, why }) => (
              <li key={by}>
                <span>{by} approved</span>
                <span className="muted">
                  {moment(at)}
                  {why ? `: ${why}` : ''}
                </span>
              </li>
            ))}
          </ul>
        ) : null}
        {mayAnswer ? <AnswerForm approval={approval} /> : <p className="muted">You are not asked, or have answered.</p>}
      </div>
    </section>
  )
}

const nameOf = (asked: string): string => (asked.startsWith('role:') ? `every ${asked.slice(5)}` : asked)

function AnswerForm({ approval: { run, node, form } }: { approval: WaitingApproval }) {
  const answer = useAction(`/api/runs/${run}/approvals/${node}`)
  const [why, setWhy] = useState('')
  const [wrong, setWrong] = useState<unknown>(null)
  const fields = form ? fieldsOf(form) : []
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(fields.map((field) => [field.name, initialText(field)])),
  )
  const approve = (event: FormEvent) => {
    event.preventDefault()
    setWrong(null)
    try {
      answer.mutate({ approved: true, why, ...(form ? { form: readForm(form, texts) } : {}) })
    } catch (error) {
      setWrong(error)
    }
  }
  return (
    <form className="answer" onSubmit={approve}>
      {fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          text={texts[field.name] ?? ''}
          onText={(text) => setTexts((before) => ({ ...before, [field.name]: text }))}
        />
      ))}
      <Textarea
        label="Why"
        description="Kept with the run"
        value={why}
        onChange={(event) => setWhy(event.currentTarget.value)}
        autosize={false}
        rows={2}
      />
      <div className="buttons">
        <Button type="submit" loading={answer.isPending}>
          Approve
        </Button>
        <Button variant="default" onClick={() => answer.mutate({ approved: false, why })}>
          Refuse: the run fails
        </Button>
      </div>
      {(answer.error ?? wrong) ? <Failure error={answer.error ?? wrong} /> : null}
    </form>
  )
}

function initialText({ initial, kind }: FormField): string {
  if (initial === undefined) return kind === 'boolean' ? 'false' : ''
  return typeof initial === 'string' ? initial : JSON.stringify(initial)
}

function Field({ field, text, onText }: { field: FormField; text: string; onText: (text: string) => void }) {
  const { name, kind, title, help, required, choices, step, minimum, maximum } = field
  const id = `field-${name}`
  const shared = { id, name, required, 'aria-describedby': help ? `${id}-help` : undefined }
  const control =
    kind === 'choice' ? (
      <select {...shared} value={text} onChange={(event) => onText(event.currentTarget.value)}>
        <option value="">choose…</option>
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    ) : kind === 'boolean' ? (
      <input
        id={id}
        name={name}
        type="checkbox"
        checked={text === 'true'}
        onChange={(event) => onText(String(event.currentTarget.checked))}
      />
    ) : kind === 'json' ? (
      <textarea {...shared} rows={3} value={text} onChange={(event) => onText(event.currentTarget.value)} />
    ) : (
      <input
        {...shared}
        type={kind}
        {...(kind === 'number' ? { step, min: minimum ?? undefined, max: maximum ?? undefined } : {})}
        value={text}
        onChange={(event) => onText(event.currentTarget.value)}
      />
    )
  return (
    <div className="field" data-kind={kind}>
      <label htmlFor={id}>
        {title}
        {required ? '' : <span className="muted"> optional</span>}
      </label>
      {help ? (
        <p className="muted" id={`${id}-help`}>
          {help}
        </p>
      ) : null}
      {control}
    </div>
  )
}
