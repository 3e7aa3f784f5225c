/** Names the class of an image only where the model is sure enough; the rest is left to a person. */
import { z } from 'zod'
import { defineAlgorithm } from 'gyre/algorithm'

export default defineAlgorithm({
  name: 'class-with-threshold',
  model: 'image-classifier@champion',
  params: z.object({
    threshold: z.number().min(0).max(1).default(0.8).describe('Least probability for a class to be named'),
  }),
  output: z.object({ class: z.string().nullable(), score: z.number().min(0).max(1) }),
  async predict(images, { model, params }) {
    const scores = await model.run(images) // [N, classes]
    return Array.from({ length: scores.rows }, (_, image) => {
      const row = scores.row(image)
      const score = Math.max(...row)
      return { class: score >= params.threshold ? (model.classes[row.indexOf(score)] ?? null) : null, score }
    })
  },
})
