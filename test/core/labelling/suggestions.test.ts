import { expect, it } from 'vitest'
import { LabellingEngine } from '../../../core/labelling/engine.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import { byTurns, suggestedGroups } from '../../../core/labelling/suggestions.ts'
import { makeBlobs } from './blobs.ts'

it('the most typical images of each cluster are put to the test first, a grid of each suggested class', () => {
  const clusters = [[4, 1, 0], [], [2, 3]]
  expect(byTurns(clusters, [2, 0, 1, 2])).toEqual([2, 4, 3, 1, 0])
  const groups = suggestedGroups(Int32Array.of(1, 0, 1, -1, 1), clusters, (image) => image !== 4)
  expect([...groups].map(([name, { images }]) => [name, images])).toEqual([
    [1, [2, 0]],
    [0, [1]],
  ])
})

it('a session begins with what models suggested, and holds none of it for a label', async () => {
  const { problem, truth } = makeBlobs({ images: 600, classes: 4, spread: 0.06, seed: 1 })
  const right = Int32Array.from(problem.digests, (digest) => problem.classes.indexOf(truth[digest]!))
  // Every fifth suggestion is wrong, and every third image has none.
  const suggested = right.map((name, i) => (i % 3 === 0 ? -1 : i % 5 === 0 ? (name + 1) % 4 : name))
  const policy = { targetAccuracy: 0.95, seed: 7, controls: 0 }
  const engine = await LabellingEngine.open({ ...problem, suggested }, policy)
  const first = (await engine.plan())!
  expect(engine.labelled).toBe(0)
  expect(new Set(first.screens.map(({ proposed }) => proposed))).toEqual(new Set(problem.classes))
  for (const { kind, proposed, images } of first.screens)
    for (const image of images)
      expect([kind, problem.classes[suggested[problem.digests.indexOf(image)]!]]).toEqual(['verify', proposed])
  for (let i = 0; ; i++) {
    while (engine.due) await engine.plan()
    const screen = engine.openScreens()[0]
    if (!screen) break
    const at = new Date(1_700_000_000_000 + 1_000 * i).toISOString()
    engine.apply({ type: 'answer', revision: 0, ...simulatedAnswer(screen, truth, 'anna'), at })
  }
  expect(engine.ending).toBe('certified')
  const labels = await engine.finalLabels()
  const share = labels.filter(({ digest, label }) => label === truth[digest]).length / labels.length
  expect(share).toBeGreaterThanOrEqual(engine.looks.at(-1)!.atLeast)
})
