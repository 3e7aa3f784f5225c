import { describe, expect, it } from 'vitest'
import { html, htmlDocument } from '#core/html'

describe('html', () => {
  it('escapes what is put in, in text and in attributes', () => {
    const name = `"><script>alert('x')</script>&`
    expect(html`<b title="${name}">${name}</b>`.text).toBe(
      '<b title="&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;">&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;</b>',
    )
  })

  it('nests markup, joins lists, and prints nothing for what is absent', () => {
    const items = ['a', 'b<'].map((item) => html`<i>${item}</i>`)
    expect(html`${items}${null}${undefined}${false}${0}`.text).toBe('<i>a</i><i>b&#60;</i>0')
  })
})

describe('htmlDocument', () => {
  it('asks for nothing from outside and runs no script', () => {
    const page = htmlDocument({ title: 'A <title>', subtitle: 'of B & C', body: html`<p>body</p>` })
    expect(page).toContain(`default-src 'none'; img-src data:; style-src 'unsafe-inline'`)
    expect(page).toContain('<title>A &#60;title&#62;</title>')
    expect(page).not.toMatch(/<script|https?:|url\(|@import/)
  })
})
