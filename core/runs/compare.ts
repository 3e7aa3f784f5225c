/** Two runs side by side: what went in, what came out, how long it took, and why a step gave something else. */

import { conditionText, resolveInput, type Json, type PlanNode } from '#core/plan'
import { canonicalJson } from '#core/storage'
import type { RunRecord } from './records.ts'
import type { RunReport, RunStatus, StepOrigin, StepReport, StepStatus } from './types.ts'

/** One of the two. */
export interface ComparedRun {
  readonly record: RunRecord
  readonly report: RunReport
}

export interface RunHead {
  readonly id: string
  readonly pipeline: string
  readonly status: RunStatus
  readonly by: string
  readonly startedAt: string
  readonly endedAt: string | null
}

/** A value that both may have, by its name; null where one lacks it. */
export interface Pair<T> {
  readonly name: string
  readonly a: T | null
  readonly b: T | null
}

export interface ComparedStep {
  readonly step: string
  readonly status: StepStatus
  readonly origin: StepOrigin | null
  readonly tookMs: number | null
  readonly reason: string | null
}

export interface StepComparison extends Pair<ComparedStep> {
  /** `same` output, `different` output, or `open` where one of them has none yet. */
  readonly output: 'same' | 'different' | 'open'
  /** What differs in front of the outputs, a sentence each; for equal inputs and code with another output, that. */
  readonly why: readonly string[]
  /** The numbers in the outputs. */
  readonly figures: readonly Pair<number>[]
}

export interface RunComparison {
  readonly a: RunHead
  readonly b: RunHead
  /** Both carry out the very same plan. */
  readonly samePlan: boolean
  /** Every parameter of either; nested ones by their path. */
  readonly params: readonly Pair<Json>[]
  /** In the order of the plans. */
  readonly steps: readonly StepComparison[]
}

/** Figures of one step; an output with more is data, not a result to compare by eye. */
const MOST_FIGURES = 24
const DEEPEST_FIGURE = 4

export function compareRuns(a: ComparedRun, b: ComparedRun): RunComparison {
  const nodes = [a, b].map(({ record }) => new Map(record.plan.nodes.map((node) => [node.id, node])))
  const ids = new Set([...nodes[0]!.keys(), ...nodes[1]!.keys()])
  return {
    a: headOf(a),
    b: headOf(b),
    samePlan: a.record.plan.digest === b.record.plan.digest,
    params: pairs(leaves(a.record.plan.params), leaves(b.record.plan.params)),
    steps: [...ids].map((id) => compareSteps(id, { ...a, node: nodes[0]!.get(id) }, { ...b, node: nodes[1]!.get(id) })),
  }
}

function headOf({ record, report }: ComparedRun): RunHead {
  const { id, pipeline, status, startedAt, endedAt } = report
  return { id, pipeline, status, by: record.by, startedAt, endedAt }
}

type Side = ComparedRun & { readonly node: PlanNode | undefined }

function compareSteps(id: string, a: Side, b: Side): StepComparison {
  const [was, is] = [reportOf(a, id), reportOf(b, id)]
  const output = !isDone(was) || !isDone(is) ? 'open' : equal(was.outputs, is.outputs) ? 'same' : 'different'
  return {
    name: id,
    a: was ? stepOf(was) : null,
    b: is ? stepOf(is) : null,
    output,
    why: reasons(a, b, output),
    figures: pairs(figuresIn(was), figuresIn(is)),
  }
}

function reportOf({ report }: ComparedRun, id: string): StepReport | undefined {
  return report.steps.find((step) => step.id === id)
}

function isDone(step: StepReport | undefined): step is StepReport {
  return step?.status === 'completed'
}

function stepOf({ step, status, origin, startedAt, endedAt, reason }: StepReport): ComparedStep {
  const tookMs = startedAt && endedAt ? Date.parse(endedAt) - Date.parse(startedAt) : null
  return { step, status, origin, tookMs, reason }
}

function reasons(a: Side, b: Side, output: StepComparison['output']): readonly string[] {
  if (!a.node) return [`only in ${b.record.run}`]
  if (!b.node) return [`only in ${a.record.run}`]
  const found = [...differencesOf(a.node, b.node), ...inputsThatDiffer(a, b, output)]
  return found.length === 0 && output === 'different' ? ['the same code and inputs gave another output'] : found
}

function differencesOf(a: PlanNode, b: PlanNode): readonly string[] {
  const when = (node: PlanNode): string => (node.when ? conditionText(node.when) : 'always')
  return [
    ...(a.step === b.step ? [] : [`step: ${a.step} → ${b.step}`]),
    ...(a.codeVersion === b.codeVersion ? [] : [`code of ${b.step} differs`]),
    ...(a.container?.image === b.container?.image
      ? []
      : [`image: ${a.container?.image ?? 'none'} → ${b.container?.image ?? 'none'}`]),
    ...(when(a) === when(b) ? [] : [`runs when: ${when(a)} → ${when(b)}`]),
  ]
}

/** By value: an input is the same when it names the same bytes, whichever run they came from. */
function inputsThatDiffer(a: Side, b: Side, output: StepComparison['output']): readonly string[] {
  // Of a step that has not run, what is not there yet is no difference.
  const isToCome = (input: Pair<Json>): boolean => output === 'open' && (input.a === null || input.b === null)
  return pairs(inputOf(a), inputOf(b))
    .filter((input) => !equal(input.a, input.b) && !isToCome(input))
    .map(({ name, a: before, b: after }) => `input ${name}: ${briefly(before)} → ${briefly(after)}`)
}

function inputOf({ node, report }: Side): ReadonlyMap<string, Json> {
  const outputs = new Map(report.steps.map(({ id, outputs: value }) => [id, value as Json]))
  const input = resolveInput(node!.input, (id) => outputs.get(id) ?? null)
  return isObject(input) ? new Map(Object.entries(input)) : new Map([['input', input]])
}

/** A value in a few words; of an artifact its kind and what tells it from another one. */
export function briefly(value: Json): string {
  if (!isObject(value)) return shortJson(value)
  const { kind, images, rows, version, digest, sha256, blob, model } = value
  const mark = [version, digest, sha256, model, isObject(blob ?? null) ? (blob as JsonObject).sha256 : undefined].find(
    (one) => typeof one === 'string' || typeof one === 'number',
  )
  const words = [
    typeof kind === 'string' ? kind : '',
    typeof images === 'number' ? `of ${images.toLocaleString('en-US')} images` : '',
    typeof rows === 'number' ? `of ${rows.toLocaleString('en-US')} rows` : '',
    mark === undefined ? '' : String(mark).slice(0, 10),
  ].filter(Boolean)
  return words.length > 0 ? words.join(' ') : shortJson(value)
}

function shortJson(value: Json): string {
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

type JsonObject = Readonly<Record<string, Json>>

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function equal(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null)
}

function pairs<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): readonly Pair<T>[] {
  return [...new Set([...a.keys(), ...b.keys()])].map((name) => ({
    name,
    a: a.get(name) ?? null,
    b: b.get(name) ?? null,
  }))
}

/** The plain values in a tree of objects by their paths; a list is one value. */
function leaves(value: Json, path = ''): ReadonlyMap<string, Json> {
  if (!isObject(value)) return new Map([[path, value]])
  return new Map(
    Object.entries(value).flatMap(([key, item]) => [...leaves(item, path === '' ? key : `${path}.${key}`)]),
  )
}

/** The numbers and bounds of a result, by their paths: `accuracy`, `stats.screens`, `interval.0`. Sizes say nothing of it. */
function figuresIn(step: StepReport | undefined): ReadonlyMap<string, number> {
  const figures = new Map<string, number>()
  const visit = (value: Json, path: readonly string[]): void => {
    if (figures.size >= MOST_FIGURES || path.length > DEEPEST_FIGURE) return
    if (typeof value === 'number' && path.at(-1) !== 'sizeBytes') figures.set(path.join('.'), value)
    else if (typeof value === 'object' && value !== null)
      for (const [key, item] of Object.entries(value)) visit(item as Json, [...path, nameOf(item as Json) ?? key])
  }
  visit((step?.outputs ?? null) as Json, [])
  return figures
}

/** Rows of a list are told apart by what they are about, where they say it. */
function nameOf(item: Json): string | null {
  return isObject(item) && typeof item['class'] === 'string' ? item['class'] : null
}
