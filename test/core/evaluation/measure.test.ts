import { describe, expect, it } from 'vitest'
import { compare, measure, type JudgedAnswer } from '../../../core/evaluation/measure.ts'

const judged = (expected: string, answer: string, score = 0.9, digest = `${expected}-${answer}-${score}`) =>
  ({ digest, expected, class: answer, score }) satisfies JudgedAnswer

describe('measure', () => {
  const answers = [
    judged('crack', 'crack', 0.99),
    judged('crack', 'crack', 0.8),
    judged('crack', 'dent', 0.6),
    judged('dent', 'dent', 0.7),
    judged('dent', 'crack', 0.95),
    judged('moss', 'dent', 0.5),
  ]
  const figures = measure(answers, ['crack', 'dent', 'stain'])

  it('counts right answers', () => {
    expect(figures).toMatchObject({ images: 6, right: 3, accuracy: 0.5 })
  })

  it('keeps truths in rows and answers in columns, with classes that only people used behind', () => {
    expect(figures.confusion.classes).toEqual(['crack', 'dent', 'stain', 'moss'])
    expect(figures.confusion.counts).toEqual([
      [2, 1, 0, 0],
      [1, 1, 0, 0],
      [0, 0, 0, 0],
      [0, 1, 0, 0],
    ])
  })

  it('gives precision and recall per class, null where there is nothing to divide by', () => {
    expect(figures.perClass).toEqual([
      { class: 'crack', images: 3, precision: 2 / 3, recall: 2 / 3 },
      { class: 'dent', images: 2, precision: 1 / 3, recall: 1 / 2 },
      { class: 'stain', images: 0, precision: null, recall: null },
      { class: 'moss', images: 1, precision: null, recall: 0 },
    ])
  })

  it('lists mistakes, the most confident first', () => {
    expect(figures.mistakes.map(({ score }) => score)).toEqual([0.95, 0.6, 0.5])
  })
})

describe('compare', () => {
  const mine = ['a', 'a', 'a', 'b', 'b'].map((answer, i) => judged('a', answer, 0.9, `${i}`))
  const champions = ['a', 'b', 'b', 'a', 'b'].map((answer, i) => judged('a', answer, 0.9, `${i}`))

  it('tallies who is right where', () => {
    expect(compare(mine, champions, 0)).toMatchObject({
      accuracy: 0.4,
      bothRight: 1,
      onlyThis: 2,
      onlyChampion: 1,
      bothWrong: 1,
      p: 1,
    })
  })

  it('is beaten by a gain of exactly the minimum, and not by less', () => {
    expect(compare(mine, champions, 0.2).beaten).toBe(true)
    expect(compare(mine, champions, 0.21).beaten).toBe(false)
    expect(compare(champions, mine, 0).beaten).toBe(false)
    expect(compare(champions, mine, -0.2).beaten).toBe(true)
    expect(compare(mine, mine, 0).beaten).toBe(true)
  })
})
