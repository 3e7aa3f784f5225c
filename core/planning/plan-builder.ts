/** Collects the nodes that `build` describes: one builder per plan, one frame per pipeline within it. */

import { isPlatformError, PlatformError } from '#core/errors'
import {
  isContainerStep,
  isUserStep,
  ITEM,
  makeRef,
  makeWired,
  toCondition,
  type MapOptions,
  type PipelineDefinition,
  type StepFunction,
  type StepOptions,
  type When,
} from '#core/pipeline'
import type { Condition, Json, NodePolicy, PlanMap, PlanNode } from '#core/plan'
import type { StepDefinition } from '#core/steps'
import { digestJson } from '#core/storage'
import type { CodeVersions } from './build-plan.ts'
import { containerOf } from './container.ts'
import { durationMs } from './duration.ts'
import { parseValues } from './params.ts'
import { checkCondition, checkLiterals, hasRef, needsOf, Refusal, toTemplate } from './wire.ts'

/** A pipeline inside the plan: the plan's own, or one that `step.pipeline` adds. */
interface Frame {
  /** `outer.inner.`, before the ids of its nodes. */
  readonly prefix: string
  /** Holds for all its nodes. */
  readonly when: Condition | null
  /** The pipelines around it, the outermost first, itself included. */
  readonly within: readonly PipelineDefinition[]
}

interface Use {
  readonly id: string
  readonly step: StepDefinition
  readonly input: Json
  readonly options: StepOptions
  readonly map?: PlanMap
}

type Each = { readonly over: unknown; readonly input: (item: unknown) => unknown }
type Given = { readonly params?: unknown; readonly inputs?: Readonly<Record<string, unknown>> }

const LONGEST_ID = 120

export class PlanBuilder {
  readonly nodes: PlanNode[] = []
  /** What references of this plan carry. */
  readonly #scope = {}
  readonly #ids = new Set<string>()
  /** Id of the map whose `input` is being called. */
  #mapping: string | null = null

  constructor(
    private readonly root: PipelineDefinition,
    private readonly code: CodeVersions,
  ) {}

  /** @param inputs - JSON, checked. */
  build(params: Record<string, unknown>, inputs: Readonly<Record<string, Json>>): void {
    this.#describe({ prefix: '', when: null, within: [this.root] }, params, inputs)
  }

  #describe(frame: Frame, params: Record<string, unknown>, inputs: Readonly<Record<string, Json>>): unknown {
    const definition = frame.within.at(-1)!
    const wired = Object.entries(inputs).map(([name, template]) => [name, makeWired(template, this.#scope)])
    return definition.build({ params, inputs: Object.fromEntries(wired) as never, step: this.#tools(frame) })
  }

  #tools(frame: Frame): StepFunction {
    const said = <T>(id: string, act: () => T): T => this.#saidOf(`${frame.prefix}${id}`, act)
    const step = (id: string, step: StepDefinition, input: unknown, options: StepOptions = {}): unknown =>
      said(id, () => this.#step(frame, id, step, input, options))
    const map = (id: string, step: StepDefinition, each: Each, options: MapOptions = {}): unknown =>
      said(id, () => this.#map(frame, id, step, each, options))
    const pipeline = (id: string, definition: PipelineDefinition, given: Given = {}, { when }: { when?: When } = {}) =>
      said(id, () => this.#pipeline(frame, id, definition, given, when))
    return Object.assign(step, { map, pipeline }) as unknown as StepFunction
  }

  #step(frame: Frame, id: string, step: StepDefinition, given: unknown, options: StepOptions): unknown {
    const input = toTemplate(given, this.#scope)
    if (hasRef(input, ITEM))
      throw new Refusal('reads the item of a map; an item exists only inside the input of its map')
    return this.#add(frame, { id, step, input, options })
  }

  #map(frame: Frame, id: string, step: StepDefinition, each: Each, options: MapOptions): unknown {
    if (step.kind !== 'activity') throw new Refusal(`${step.name} waits for people, so it cannot be mapped; use step`)
    if (isContainerStep(step))
      throw new Refusal(`${step.name} is a command in an image, which cannot be mapped; use step in a loop`)
    const over = toTemplate(each.over, this.#scope, ['over'])
    if (hasRef(over, ITEM)) throw new Refusal('over: reads the item of another map; a map cannot lie inside a map')
    if (!Array.isArray(over) && !hasRef(over))
      throw new Refusal('over: must be a list, or a reference to a list or a table')
    const input = this.#itemInput(id, each)
    return this.#add(frame, { id, step, input, options, map: { over, ...boundsOf(options) } })
  }

  #itemInput(id: string, { input }: Each): Json {
    this.#mapping = id
    try {
      return toTemplate(input(makeRef(ITEM, [], this.#scope)), this.#scope)
    } finally {
      this.#mapping = null
    }
  }

  #pipeline(frame: Frame, id: string, definition: PipelineDefinition, given: Given, when?: When): unknown {
    const cycle = frame.within.indexOf(definition)
    if (cycle !== -1) {
      const names = [...frame.within.slice(cycle), definition].map(({ name }) => name)
      throw new Refusal(`pipeline ${definition.name} would contain itself: ${names.join(' → ')}`)
    }
    this.#claim(frame, id)
    const path = `${frame.prefix}${id}`.split('.')
    const params = parseValues(this.root.name, definition.params.strict(), given.params, path)
    const inputs = this.#inputsOf(definition, given.inputs ?? {})
    return this.#describe(
      {
        prefix: `${frame.prefix}${id}.`,
        when: both(frame.when, this.#condition(when)),
        within: [...frame.within, definition],
      },
      params,
      inputs,
    )
  }

  /** What is a value is checked, and defaults fill what is left out. */
  #inputsOf({ name, inputs }: PipelineDefinition, given: Readonly<Record<string, unknown>>): Record<string, Json> {
    const template = toTemplate(given, this.#scope) as Record<string, Json>
    if (!inputs) {
      const [first] = Object.keys(template)
      if (first !== undefined) throw new Refusal(`pipeline ${name} has no input "${first}"; it has none`)
      return {}
    }
    checkLiterals(`pipeline ${name}`, inputs, template)
    return Object.fromEntries(
      Object.entries(inputs.shape).map(([key, schema]) => {
        const field = template[key]
        if (field !== undefined && hasRef(field)) return [key, field]
        const { data, success } = (schema as typeof inputs).safeParse(field)
        if (!success) throw new Refusal(`pipeline ${name} needs the input "${key}"`)
        return [key, (data ?? null) as Json]
      }),
    )
  }

  #add(frame: Frame, use: Use): unknown {
    this.#claim(frame, use.id)
    const node = this.#node(frame, use)
    const unknown = node.needs.find((need) => !this.#ids.has(need) || need === node.id)
    if (unknown !== undefined)
      throw new Refusal(`reads "${unknown}", which is not a step before it in this pipeline; so no cycle can arise`)
    this.nodes.push(node)
    return makeRef(node.id, [], this.#scope)
  }

  #node(frame: Frame, { id, step, input, options, map }: Use): PlanNode {
    checkLiterals(step.name, step.input, input)
    const when = both(frame.when, this.#condition(options.when))
    const isOwn = isUserStep(step) || isContainerStep(step)
    const container = isContainerStep(step) ? containerOf(this.root.name, step, options.gpus ?? 0) : null
    const ownVersion = (step.file && this.code.stepFile?.(step.file)) ?? this.code.pipeline
    const fixed = step.fixed ? toTemplate(step.fixed, this.#scope) : null
    return {
      id: `${frame.prefix}${id}`,
      step: step.name,
      kind: map ? 'map' : step.kind,
      input: fixed ? { ...(input as Record<string, Json>), ...(fixed as Record<string, Json>) } : input,
      needs: needsOf(map ? [input, map.over] : [input], when),
      when,
      policy: policyOf(step, options, map !== undefined, input),
      codeVersion: container
        ? digestJson({ container, bundle: ownVersion })
        : isOwn
          ? ownVersion
          : this.code.builtIn(step.name),
      bundle: isOwn ? this.code.bundle : null,
      ...(container ? { container } : {}),
      ...(map ? { map } : {}),
    }
  }

  #condition(when: When | undefined): Condition | null {
    if (when === undefined) return null
    const condition = toCondition(when)
    checkCondition(condition, this.#scope)
    return condition
  }

  #claim({ prefix }: Frame, id: string): void {
    if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(id))
      throw new Refusal('the id must be lower-case letters, digits and hyphens, at most 40')
    const whole = `${prefix}${id}`
    if (whole.length > LONGEST_ID)
      throw new Refusal(`the id has ${whole.length} characters with the pipelines around it, ${LONGEST_ID} at most`)
    if (this.#ids.has(whole)) throw new Refusal('the id is used twice; ids name results, so each must be its own')
    this.#ids.add(whole)
  }

  /** A refusal gets the pipeline, the step and the line of the definition. */
  #saidOf<T>(id: string, act: () => T): T {
    try {
      if (this.#mapping !== null)
        throw new Refusal(
          `is added inside the input of map "${this.#mapping}"; add it before, and read its result there`,
        )
      return act()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      throw this.refusal(`step "${id}": ${error.message}`, error)
    }
  }

  /** @param at - the error whose stack tells the line. */
  refusal(message: string, at: unknown): PlatformError {
    const place = this.code.placeOf?.(at)
    const where = place ? `${place}: ` : ''
    const pipeline = this.root.name
    return new PlatformError(
      'PIPELINE_INVALID',
      `${where}pipeline ${pipeline}: ${message}`,
      { pipeline },
      { cause: at },
    )
  }

  /** What `build` threw, as people are told it. */
  failure(error: unknown): PlatformError {
    if (isPlatformError(error)) return error
    return this.refusal(`build fails: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

function both(a: Condition | null, b: Condition | null): Condition | null {
  return a && b ? { kind: 'all', of: [a, b] } : (a ?? b)
}

function policyOf(step: StepDefinition, options: StepOptions, isMap: boolean, input: unknown): NodePolicy {
  const { gpus = 0, cache = true } = options
  const { salt, ignore } = typeof cache === 'object' ? cache : {}
  checkIgnored(step, ignore ?? [])
  const isQuick = step.policy.quick === true && gpus === 0 && !isMap
  return {
    queue: gpus > 0 ? 'gpu' : step.policy.queue === 'pipeline' && isMap ? 'cpu' : step.policy.queue,
    timeoutMs: durationMs(options.timeout ?? step.policy.timeout),
    attempts: (isMap ? undefined : options.attempts) ?? step.policy.attempts ?? 20,
    cache: cache !== false && (step.policy.cache ?? true) && !mustRun(step, input),
    ...(salt === undefined ? {} : { salt }),
    ...(ignore && ignore.length > 0 ? { ignore: [...ignore].sort() } : {}),
    ...(isQuick ? { quick: true } : step.policy.quick === false ? { quick: false } : {}),
    ...(gpus > 0 ? { gpus } : {}),
  }
}

/** Whether an input is given with which the step always runs. */
function mustRun({ alwaysRunsWith = [] }: StepDefinition, input: unknown): boolean {
  return alwaysRunsWith.some((name) => (input as Readonly<Record<string, unknown>>)[name] !== undefined)
}

function checkIgnored({ name, input }: StepDefinition, ignore: readonly string[]): void {
  const shape = 'shape' in input ? Object.keys(input.shape as object) : null
  const unknown = shape && ignore.find((key) => !shape.includes(key))
  if (unknown) throw new Refusal(`cache.ignore: ${name} has no input "${unknown}"; it has ${shape.join(', ')}`)
}

/** @throws {Refusal} */
function boundsOf({ concurrency = 4, atLeast = 1, attempts = 3 }: MapOptions): Omit<PlanMap, 'over'> {
  const whole = (name: string, value: number, most: number): void => {
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new Refusal(`${name} is ${value}; it must be a whole number from 1 to ${most}`)
  }
  whole('concurrency', concurrency, 200)
  whole('attempts', attempts, 100)
  if (!(atLeast >= 0 && atLeast <= 1)) throw new Refusal(`atLeast is ${atLeast}; it must be a share from 0 to 1`)
  return { concurrency, atLeast, attempts }
}
