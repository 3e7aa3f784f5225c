/** `gyre user add|list`. */
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
