/**
 * Somebody who labels in a real browser and knows every answer: by keyboard alone or by mouse alone, reading from the page
 * what a person reads. Keeps what was answered, so that a test can hold it against what was stored.
 */

import type { Locator, Page } from 'playwright-core'
import type { Screen } from '#core/labelling'

export interface Given {
  readonly screen: string
  /** What was said of each image, by digest. */
  readonly said: ReadonlyMap<string, string>
}

/** How long an action took until the browser had painted what came of it. */
export interface Latency {
  readonly kind: 'mark' | 'screen'
  readonly ms: number
}

/** What of the page is read in it. */
interface Window {
  readonly document: { querySelector(selector: string): { readonly dataset: Record<string, string> } | null }
}

const PATIENCE_MS = 120_000

export class BrowserAnnotator {
  readonly given: Given[] = []
  private readonly screens = new Map<string, Screen>()

  private constructor(
    private readonly page: Page,
    private readonly by: 'keyboard' | 'mouse',
    private readonly truth: Readonly<Record<string, string>>,
  ) {}

  static async sit(
    page: Page,
    address: string,
    options: { readonly by: 'keyboard' | 'mouse'; readonly truth: Readonly<Record<string, string>> },
  ): Promise<BrowserAnnotator> {
    const annotator = new BrowserAnnotator(page, options.by, options.truth)
    page.on('response', (response) => void annotator.listen(response.url(), () => response.json()))
    await page.addInitScript(MEASURE)
    await page.goto(address)
    return annotator
  }

  /**
   * Answers screens until the session is over, or as many as `most`.
   *
   * @param before - called before each answer, with the number of answers so far.
   */
  async work(
    options: { readonly most?: number; readonly before?: (answers: number) => Promise<void> } = {},
  ): Promise<void> {
    for (let answers = 0; answers < (options.most ?? Infinity); answers++) {
      const screen = await this.next(this.given.at(-1)?.screen)
      if (!screen) return
      await options.before?.(answers)
      await this.answer(screen)
    }
  }

  /** The screen in hand, once it is another one; null when the session is over. */
  private async next(after: string | undefined): Promise<Screen | null> {
    const shown = await this.page.waitForFunction(
      (last) => {
        const { document } = globalThis as unknown as Window
        const id = document.querySelector('.tiles')?.dataset['screen']
        const isOver = document.querySelector('.rest h2') !== null
        return id !== undefined && id !== last ? id : isOver ? 'over' : null
      },
      after,
      { timeout: PATIENCE_MS },
    )
    const id = (await shown.jsonValue())!
    if (id === 'over') return null
    // The page had the answer a moment before this process.
    while (!this.screens.has(id)) await this.page.waitForTimeout(10)
    return this.screens.get(id)!
  }

  private async answer(screen: Screen): Promise<void> {
    const truths = screen.images.map((digest) => this.truth[digest]!)
    const whole = screen.proposed ?? mostOf(truths)
    const homes = screen.images.map((_, at) => screen.proposals?.[at] ?? whole)
    for (const [at, truth] of truths.entries())
      if (truth !== homes[at] && screen.kind !== 'single') await this.markAs(at, truth)
    // A screen that an answer was lost of would come again, under the same number.
    this.given.push({ screen: screen.id, said: new Map(screen.images.map((digest, at) => [digest, truths[at]!])) })
    const accepts = screen.proposed !== null || screen.pair !== undefined
    if (this.by === 'keyboard') await this.page.keyboard.press(accepts ? 'Enter' : await this.keyOf(whole))
    else await (accepts ? this.page.locator('.verb[data-main="true"]') : this.chip(whole)).click()
  }

  private async markAs(at: number, name: string): Promise<void> {
    const tile = this.page.locator(`.tile[data-at="${at}"]`)
    if (this.by === 'mouse') {
      await tile.click({ button: 'right' })
      await this.page.getByRole('option', { name, exact: false }).first().click()
      return
    }
    const [, row, column] = /^Image (\w)(\d)/.exec((await tile.getAttribute('aria-label'))!)!
    await this.page.keyboard.press(row!)
    await this.page.keyboard.press(column!)
    await this.page.keyboard.press(`Shift+${await this.keyOf(name)}`)
  }

  private chip(name: string): Locator {
    return this.page.locator('.chip', { hasText: name })
  }

  private async keyOf(name: string): Promise<string> {
    const key = (await this.chip(name).getAttribute('aria-keyshortcuts'))!
    return /\d/.test(key) ? `Digit${key}` : key
  }

  /** What the annotator was shown, as the browser got it. */
  private async listen(url: string, body: () => Promise<unknown>): Promise<void> {
    if (!/\/screens\?count=/.test(url)) return
    // A page that moves on takes its answers with it.
    const screens = (await body().catch(() => [])) as readonly Screen[]
    if (Array.isArray(screens)) for (const screen of screens) this.screens.set(screen.id, screen)
  }

  /** What the page measured since it was opened. */
  latencies(): Promise<readonly Latency[]> {
    return this.page.evaluate('window.__latencies')
  }
}

function mostOf(classes: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0]
}

/**
 * From the time stamp of a key or a press to the frame that shows what came of it: a mark, or the next screen with all its
 * images decoded.
 */
const MEASURE = `(() => {
  window.__latencies = []
  const shown = () => document.querySelector('.tiles')?.dataset.screen
  const isReady = () => [...document.querySelectorAll('.tile img')].every((image) => image.complete && image.naturalWidth > 0)
  const onAction = (event) => {
    if (event.repeat || event.key === 'Shift' || event.key === 'Control') return
    const before = shown()
    const frame = () => requestAnimationFrame(() => setTimeout(painted))
    const painted = () => {
      const isNext = shown() !== before
      if (isNext && (shown() === undefined || !isReady())) return shown() === undefined ? undefined : frame()
      window.__latencies.push({ kind: isNext ? 'screen' : 'mark', ms: performance.now() - event.timeStamp })
    }
    frame()
  }
  addEventListener('keydown', onAction, true)
  addEventListener('click', onAction, true)
})()`
