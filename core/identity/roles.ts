/** Roles and what they may do: one table, read by the API for every call. */

export const ROLES = ['owner', 'engineer', 'annotator', 'operator', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/**
 * `view` looks at anything, `annotate` answers labelling screens, `run` starts and cancels runs and batch tasks, `code`
 * brings code that the workers then run (algorithms over images), `publish` changes what is live (aliases, rollouts,
 * approvals), `administer` manages people.
 */
export const ACTIONS = ['view', 'annotate', 'run', 'code', 'publish', 'administer'] as const
export type Action = (typeof ACTIONS)[number]

const ALLOWED: Readonly<Record<Role, readonly Action[]>> = {
  owner: ACTIONS,
  engineer: ['view', 'annotate', 'run', 'code', 'publish'],
  operator: ['view', 'run', 'publish'],
  annotator: ['view', 'annotate'],
  viewer: ['view'],
}

export function can(role: Role, action: Action): boolean {
  return ALLOWED[role].includes(action)
}
