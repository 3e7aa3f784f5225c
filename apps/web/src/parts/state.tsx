import type { StepStatus } from '../api/types.ts'
import { Icon, type IconName } from './icon.tsx'

type Tone = 'running' | 'good' | 'attention' | 'bad' | 'quiet'

const STATES: Record<StepStatus, { tone: Tone; icon: IconName; word: string }> = {
  queued: { tone: 'quiet', icon: 'queued', word: 'queued' },
  running: { tone: 'running', icon: 'running', word: 'running' },
  waiting: { tone: 'attention', icon: 'waiting', word: 'waiting for a person' },
  completed: { tone: 'good', icon: 'completed', word: 'completed' },
  failed: { tone: 'bad', icon: 'failed', word: 'failed' },
  cancelled: { tone: 'quiet', icon: 'cancelled', word: 'cancelled' },
  skipped: { tone: 'quiet', icon: 'skipped', word: 'skipped' },
}

/** A state by colour, icon and word. */
export function State({ status, word }: { status: StepStatus; word?: string }) {
  const state = STATES[status]
  return <Badge tone={state.tone} icon={state.icon} word={word ?? state.word} />
}

export function Badge({ tone, icon, word }: { tone: Tone; icon: IconName; word: string }) {
  return (
    <span className="state" data-tone={tone}>
      <Icon name={icon} size={14} />
      {word}
    </span>
  )
}

export const toneOf = (status: StepStatus): Tone => STATES[status].tone
export const iconOf = (status: StepStatus): IconName => STATES[status].icon
export const wordOf = (status: StepStatus): string => STATES[status].word
