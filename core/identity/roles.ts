/** Roles and what they may do: one table, read by the API for every call. */

export const ROLES = ['owner', 'engineer', 'annotator', 'operator', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/** What each right allows, and whose it is. docs/server.md shows this table; every route of the API names one right. */
export const RIGHTS = {
  view: {
    allows: 'look at datasets, images, runs, models and results; send an image to an endpoint',
    roles: ['owner', 'engineer', 'annotator', 'operator', 'viewer'],
  },
  annotate: { allows: 'answer labelling screens, end a session', roles: ['owner', 'engineer', 'annotator'] },
  run: {
    allows: 'start, cancel and resume runs and batch tasks, also over folders of the server',
    roles: ['owner', 'engineer', 'operator'],
  },
  code: { allows: 'bring code that the workers then run (algorithms over images)', roles: ['owner', 'engineer'] },
  publish: {
    allows: 'change what is live: aliases, roll-outs, approvals',
    roles: ['owner', 'engineer', 'operator'],
  },
  administer: {
    allows:
      'add and remove people, give roles, links and tokens; delete images, collect garbage, set how long versions are kept',
    roles: ['owner'],
  },
} as const satisfies Readonly<Record<string, { allows: string; roles: readonly Role[] }>>

export type Action = keyof typeof RIGHTS
export const ACTIONS = Object.keys(RIGHTS) as readonly Action[]

export function can(role: Role, action: Action): boolean {
  const roles: readonly Role[] = RIGHTS[action].roles
  return roles.includes(role)
}
