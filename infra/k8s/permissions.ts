/**
 * Writes the chart's rules from the one list of permissions: `node --import tsx infra/k8s/permissions.ts`. A test keeps
 * the file and the list equal.
 */

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { JOB_PERMISSIONS, roleRules, SERVICE_PERMISSIONS } from '#adapter/compute/kubernetes/permissions'

export const PERMISSIONS_FILE = path.join(import.meta.dirname, 'chart/files/permissions.json')

/** The rules by what runs on the cluster. */
export function chartPermissions(): string {
  const rules = {
    services: roleRules(SERVICE_PERMISSIONS),
    both: roleRules([...JOB_PERMISSIONS, ...SERVICE_PERMISSIONS]),
  }
  return `${JSON.stringify(rules, null, 2)}\n`
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  writeFileSync(PERMISSIONS_FILE, chartPermissions())
