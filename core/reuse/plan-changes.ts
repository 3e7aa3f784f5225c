import { conditionText, type Json, type Plan, type PlanNode } from '#core/plan'
import { canonicalJson, type ObjectStore } from '#core/storage'
import { codeChange, inOneLine, shortly } from './changes.ts'

/** What one plan says of a node that another did not, in one line; nodes that both have alike are left out. */
export async function planChanges(store: ObjectStore, before: Plan, now: Plan): Promise<ReadonlyMap<string, string>> {
  const earlier = new Map(before.nodes.map((node) => [node.id, node]))
  const changes = now.nodes.map(
    async (node) => [node.id, await changesOfNode(store, earlier.get(node.id), node)] as const,
  )
  return new Map(
    (await Promise.all(changes)).filter(([, words]) => words.length > 0).map(([id, words]) => [id, inOneLine(words)]),
  )
}

async function changesOfNode(store: ObjectStore, was: PlanNode | undefined, is: PlanNode): Promise<readonly string[]> {
  if (!was) return ['a new step']
  const when = (node: PlanNode): string => (node.when ? conditionText(node.when) : 'always')
  return [
    ...(was.step === is.step ? [] : [`step: ${was.step} → ${is.step}`]),
    ...(was.step === is.step ? await codeChange(store, asBasis(was), asBasis(is)) : []),
    ...(was.policy.salt === is.policy.salt ? [] : [`salt: ${was.policy.salt ?? 'none'} → ${is.policy.salt ?? 'none'}`]),
    ...(when(was) === when(is) ? [] : [`runs when: ${when(was)} → ${when(is)}`]),
    ...inputChanges(was.input, is.input),
  ]
}

const asBasis = ({ step, codeVersion, container }: PlanNode) => ({
  step,
  codeVersion,
  ...(container ? { container: { image: container.image, digest: canonicalJson(container) } } : {}),
})

/** By what is written: where a reference stands, which one. */
function inputChanges(was: Json, is: Json): readonly string[] {
  const [before, now] = [was, is] as readonly Readonly<Record<string, Json>>[]
  const names = new Set([...Object.keys(before!), ...Object.keys(now!)])
  return [...names]
    .filter((name) => canonicalJson(before![name] ?? null) !== canonicalJson(now![name] ?? null))
    .map((name) => `input ${name}: ${shortly(before![name]) ?? 'other'} → ${shortly(now![name]) ?? 'other'}`)
}
