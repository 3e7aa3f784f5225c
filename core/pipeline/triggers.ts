/**
 * What starts runs without a person: times, new data, events. A definition's `triggers` are looked after by the stack; the
 * first sight of a trigger starts nothing, and every start is recorded with its cause.
 */

interface TriggerOptions {
  /** Names it in commands and records; the kind where left out, with a number from the second one on. */
  readonly name?: string
  /** Parameters of the runs that it starts. */
  readonly params?: Readonly<Record<string, unknown>>
}

/**
 * What happens when it is time and the run before is not over: leave it out, keep one or all for later, cancel the run
 * before, or run both.
 */
export type Overlap = 'skip' | 'buffer-one' | 'buffer-all' | 'cancel-other' | 'allow-all'

export interface ScheduleOptions extends TriggerOptions {
  /** Five fields, `0 3 * * 1-5`; in UTC unless `timezone` says otherwise. Give this or `every`. */
  readonly cron?: string
  /** '15m', '6h', '1d'. */
  readonly every?: string
  /** As in the IANA database: `Europe/Vienna`. */
  readonly timezone?: string
  /** `skip` where left out. */
  readonly overlap?: Overlap
  /** Times missed while the server was down are made up for if not older than this; '1h' where left out. */
  readonly catchup?: string
}

export interface NewImagesOptions extends TriggerOptions {
  readonly dataset: string
  /** Images more than at the last start. */
  readonly atLeast: number
  /** Also starts when so long has passed since the last start and there is at least one new image: '7d'. */
  readonly orEvery?: string
}

export interface RefMovedOptions extends TriggerOptions {
  readonly dataset: string
  /** `latest` where left out. */
  readonly ref?: string
}

export interface DriftOptions extends TriggerOptions {
  readonly endpoint: string
}

export interface RunEndOptions extends TriggerOptions {
  readonly pipeline: string
  /** `completed` where left out. */
  readonly status?: 'completed' | 'failed' | 'cancelled'
}

export interface WebhookOptions extends TriggerOptions {
  /** The last part of its address, `/api/hooks/<pipeline>/<name>`. */
  readonly name: string
}

export type Trigger =
  | { readonly kind: 'manual' }
  | ({ readonly kind: 'schedule' } & ScheduleOptions)
  | ({ readonly kind: 'new-images' } & NewImagesOptions)
  | ({ readonly kind: 'ref-moved' } & RefMovedOptions)
  | ({ readonly kind: 'drift' } & DriftOptions)
  | ({ readonly kind: 'run-ended' } & RunEndOptions)
  | ({ readonly kind: 'webhook' } & WebhookOptions)

/**
 * Starts at times: by cron or at an interval.
 *
 * @example
 * onSchedule({ cron: '0 3 * * *', timezone: 'Europe/Vienna', overlap: 'buffer-one', params: { epochs: 30 } })
 */
export const onSchedule = (options: ScheduleOptions): Trigger => ({ kind: 'schedule', ...options })

/** Starts when a dataset has so many images more than at the last start. */
export const onNewImages = (options: NewImagesOptions): Trigger => ({ kind: 'new-images', ...options })

/** Starts when a reference of a dataset points at another version than at the last start. */
export const onRefMoved = (options: RefMovedOptions): Trigger => ({ kind: 'ref-moved', ...options })

/** Starts when an endpoint's input is reported to have drifted. */
export const onDrift = (options: DriftOptions): Trigger => ({ kind: 'drift', ...options })

/** Starts after runs of another pipeline. */
export const onRunEnd = (options: RunEndOptions): Trigger => ({ kind: 'run-ended', ...options })

/** Starts when somebody calls its address with a signed body; `params` of a JSON body come on top of its own. */
export const onWebhook = (options: WebhookOptions): Trigger => ({ kind: 'webhook', ...options })
