/** `gyre user …`: people, their roles, links and tokens. */
import type { TokenFacts } from '#core/identity'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'

interface Person {
  readonly name: string
  readonly role: string
}

export async function add(name: string, options: CommonOptions & { role: string }): Promise<void> {
  const invocation = new Invocation(options)
  const added = await withStack(invocation, ({ api }) =>
    api.post<Person & { link: string }>('/api/users', { name, role: options.role }),
  )
  const { role, link } = added
  invocation.answer({ name, role, link }, () => `${name} is ${role}. Link, good for one login:\n\n  ${link}`)
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const people = await withStack(invocation, ({ api }) => api.get<Person[]>('/api/users'))
  invocation.answer(people, () =>
    table(
      ['name', 'role'],
      people.map(({ name, role }) => [name, role]),
      'Nobody but you.\n\n  ./gyre user add NAME --role annotator',
    ),
  )
}

export async function link(name: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const made = await withStack(invocation, ({ api }) => api.post<{ link: string }>(`${at(name)}/link`))
  invocation.answer({ name, link: made.link }, () => `Link for ${name}, good for one login:\n\n  ${made.link}`)
}

export async function role(name: string, role: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const person = await withStack(invocation, ({ api }) => api.put<Person>(`${at(name)}/role`, { role }))
  invocation.answer(person, () => `${name} is ${person.role}, also in the logins that are open.`)
}

export async function remove(name: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, ({ api }) => api.delete(at(name)))
  invocation.answer({ name, removed: true }, () => `${name} is out: links, logins and tokens are worth nothing now.`)
}

export interface TokenOptions extends CommonOptions {
  readonly for: 'api' | 'endpoints'
  readonly label: string
  readonly days: number
}

export async function token(name: string, options: TokenOptions): Promise<void> {
  const invocation = new Invocation(options)
  const body = { use: options.for, label: options.label, days: options.days }
  const made = await withStack(invocation, ({ api }) =>
    api.post<TokenFacts & { token: string }>(`${at(name)}/tokens`, body),
  )
  const opens = made.use === 'api' ? `all that ${name} may do` : 'predictions of endpoints'
  invocation.answer(
    made,
    () => `Token ${made.id} for ${opens}, until ${day(made.expiresAt)}. It is shown once:\n\n  ${made.token}`,
  )
}

export async function tokens(name: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const found = await withStack(invocation, ({ api }) => api.get<TokenFacts[]>(`${at(name)}/tokens`))
  invocation.answer(found, () =>
    table(
      ['token', 'for', 'label', 'made', 'until'],
      found.map(({ id, use, label, createdAt, expiresAt }) => [id, use, label, day(createdAt), day(expiresAt)]),
      `${name} has no login and no token.\n\n  ./gyre user token ${name}`,
    ),
  )
}

export async function revoke(name: string, id: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, ({ api }) => api.delete(`${at(name)}/tokens/${encodeURIComponent(id)}`))
  invocation.answer({ name, id, revoked: true }, () => `Token ${id} of ${name} is worth nothing now.`)
}

function at(name: string): string {
  return `/api/users/${encodeURIComponent(name)}`
}

function day(isoTime: string): string {
  return isoTime.slice(0, 10)
}
