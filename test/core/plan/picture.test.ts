import { describe, expect, it } from 'vitest'
import { MarkdownPicture, type Plan } from '#core/plan'

const plan = {
  pipeline: 'parts',
  nodes: [
    { id: 'import', step: 'import-images', needs: [] },
    { id: 'train', step: 'train-classifier', needs: ['import'] },
  ],
} as unknown as Plan

describe('the Markdown picture of a plan', () => {
  it('shows every node as queued at first, in plan order', () => {
    expect(new MarkdownPicture(plan).text()).toBe(
      [
        '### parts',
        '',
        '| state | node | step | needs | time | why |',
        '|---|---|---|---|---|---|',
        '| ○ queued | **import** | import-images |  |  |  |',
        '| ○ queued | **train** | train-classifier | import |  |  |',
      ].join('\n'),
    )
  })

  it('says what became of a node, whatever its reason holds', () => {
    const picture = new MarkdownPicture(plan)
    picture.set('import', { status: 'failed', seconds: 1.26, reason: 'a | b\nc' })
    expect(picture.text()).toContain('| ✗ failed | **import** | import-images |  | 1.3 s | a \\| b c |')
    expect(picture.text()).toContain('○ queued | **train**')
  })
})
