/** The shapes whose speed is measured: steps in a row, steps side by side, items of a map, an approval. */
import { z } from 'zod'
import { definePipeline, defineStep } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

const shape = { input: z.object({ n: z.int(), salt: z.string() }), output: z.object({ n: z.int() }) }
const increment = ({ n }: { n: number }): { n: number } => ({ n: n + 1 })
const add = defineStep({ name: 'add', ...shape, run: increment })
const quickAdd = defineStep({ name: 'quick-add', ...shape, policy: { quick: true }, run: increment })

const sum = defineStep({
  name: 'sum',
  input: z.object({ values: z.array(z.int()) }),
  output: z.object({ n: z.int() }),
  policy: { quick: true },
  run: ({ values }) => ({ n: values.reduce((all, one) => all + one, 0) }),
})

const count = defineStep({
  name: 'count',
  input: z.object({ items: z.int(), salt: z.string() }),
  output: steps.artifacts.table(z.object({ n: z.int() })),
  async run({ items }, { artifacts }) {
    return artifacts.writeTable(Array.from({ length: items }, (_, n) => ({ n })))
  },
})

export default definePipeline({
  name: 'engine-rows',
  params: z.object({
    shape: z.enum(['chain', 'quick-chain', 'fan', 'map', 'approval']),
    size: z.int().positive(),
    salt: z.string().describe('Another one makes everything run anew'),
  }),
  build({ params: { shape: wanted, size, salt }, step }) {
    if (wanted === 'chain' || wanted === 'quick-chain') {
      const one = wanted === 'chain' ? add : quickAdd
      let last = step('s0', one, { n: 0, salt })
      for (let index = 1; index < size; index += 1) last = step(`s${index}`, one, { n: last.n, salt })
    } else if (wanted === 'fan') {
      const sides = Array.from({ length: size }, (_, n) => step(`s${n}`, add, { n, salt }))
      step('sum', sum, { values: sides.map(({ n }) => n) })
    } else if (wanted === 'map') {
      const items = step('items', count, { items: size, salt })
      step.map('map', quickAdd, { over: items, input: (item) => ({ n: item.n, salt }) })
    } else {
      const approved = step('ask', steps.approve, { subject: salt })
      step('next', add, { n: 1, salt }, { when: approved.approved })
    }
  },
})
