/**
 * What Gyre may do in its namespace, and nothing beyond: the preflight asks for each of these, and the chart's Role is made of
 * them. Secrets are written and removed but never read; nothing reaches outside the namespace.
 */

export interface PermissionRule {
  /** '' is the core group. */
  readonly apiGroup: string
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  /** What it is for, in a few words. */
  readonly for: string
  /** The API group that must be installed for the rule to matter. */
  readonly where?: string
}

/** Objects whose wanted state is applied again and again, and looked at by list. */
const APPLIED = ['create', 'get', 'list', 'patch', 'delete'] as const

export const JOB_PERMISSIONS: readonly PermissionRule[] = [
  {
    apiGroup: 'batch',
    resources: ['jobs'],
    verbs: ['create', 'get', 'list', 'watch', 'delete'],
    for: 'steps that run as Jobs',
  },
  { apiGroup: '', resources: ['pods'], verbs: ['get', 'list', 'watch'], for: 'how Pods fare' },
  { apiGroup: '', resources: ['pods/log'], verbs: ['get'], for: 'lines on the run page' },
  { apiGroup: '', resources: ['events'], verbs: ['list'], for: 'why a Pod waits' },
  { apiGroup: '', resources: ['secrets'], verbs: ['create', 'delete'], for: 'addresses of one job’s files' },
]

export const SERVICE_PERMISSIONS: readonly PermissionRule[] = [
  { apiGroup: 'apps', resources: ['deployments'], verbs: APPLIED, for: 'revisions of endpoints' },
  { apiGroup: '', resources: ['services'], verbs: APPLIED, for: 'addresses of revisions' },
  { apiGroup: 'policy', resources: ['poddisruptionbudgets'], verbs: APPLIED, for: 'serving through node drains' },
  { apiGroup: 'networking.k8s.io', resources: ['networkpolicies'], verbs: APPLIED, for: 'who may call replicas' },
  { apiGroup: 'autoscaling', resources: ['horizontalpodautoscalers'], verbs: APPLIED, for: 'replicas by load' },
  {
    apiGroup: 'gateway.networking.k8s.io',
    resources: ['httproutes'],
    verbs: APPLIED,
    for: 'traffic shares',
    where: 'gateway.networking.k8s.io',
  },
  { apiGroup: '', resources: ['pods'], verbs: ['get', 'list', 'watch'], for: 'how replicas fare' },
]

/** A rule as a Role holds it. */
export interface RoleRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** The rules of a Role that allows all of these: one for each API group and set of verbs, each resource once. */
export function roleRules(permissions: readonly PermissionRule[]): RoleRule[] {
  const resources = new Map<string, Set<string>>()
  for (const { apiGroup, resources: names, verbs } of permissions) {
    const key = JSON.stringify([apiGroup, verbs])
    const known = resources.get(key) ?? new Set()
    resources.set(key, new Set([...known, ...names]))
  }
  return [...resources].map(([key, names]) => {
    const [apiGroup, verbs] = JSON.parse(key) as [string, string[]]
    return { apiGroups: [apiGroup], resources: [...names], verbs }
  })
}
