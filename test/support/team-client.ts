/** A browser or program of one person of a team: calls over TLS, keeps the cookie, trusts one authority. */

import { Agent, request } from 'undici'

export interface TeamAnswer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  json<T = Record<string, unknown>>(): T
}

export class TeamClient {
  readonly #agent: Agent
  #cookie = ''

  constructor(
    readonly url: string,
    authority: string,
    private readonly token?: string,
  ) {
    this.#agent = new Agent({ connect: { ca: authority } })
  }

  /** The person behind a one-time link: opens it, presses the button, has the cookie. */
  static async logIn(link: string, authority: string): Promise<TeamClient> {
    const client = new TeamClient(new URL(link).origin, authority)
    const answer = await client.open(link)
    if (answer.headers['location'] !== '/') throw new Error(`${link} let nobody in: ${answer.status}`)
    return client
  }

  /** Presses the button of the page that a link leads to. */
  async open(link: string): Promise<TeamAnswer> {
    const { pathname, search } = new URL(link)
    const answer = await this.call('POST', pathname + search, undefined, {
      'content-type': 'application/x-www-form-urlencoded',
    })
    const [cookie] = [answer.headers['set-cookie'] ?? []].flat()
    if (cookie) this.#cookie = cookie.split(';')[0] ?? ''
    return answer
  }

  get(path: string): Promise<TeamAnswer> {
    return this.call('GET', path)
  }

  post(path: string, body: unknown = {}): Promise<TeamAnswer> {
    return this.call('POST', path, JSON.stringify(body), { 'content-type': 'application/json' })
  }

  async call(
    method: 'GET' | 'POST',
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<TeamAnswer> {
    const answer = await request(this.url + path, {
      method,
      dispatcher: this.#agent,
      headers: {
        origin: this.url,
        ...(this.#cookie && { cookie: this.#cookie }),
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, headers: answer.headers, text, json: <T>() => JSON.parse(text) as T }
  }
}
