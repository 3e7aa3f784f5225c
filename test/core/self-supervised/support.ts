/** Pythons that tests of trainers need: any, and one that has what the recipe imports. */

import { spawnSync } from 'node:child_process'

const FIND =
  'import importlib.util as u, sys; sys.exit(any(u.find_spec(n) is None for n in ("torch", "numpy", "onnx")))'

/** Names one with torch; CI machines without it leave the recipe out. */
const named = process.env['GYRE_TRAINER_PYTHON'] ?? 'python3'

export const hasPython = spawnSync('python3', ['--version']).status === 0

/** `missing`: why tests of the recipe are left out; '' where they run. */
export const torchPython: { readonly path: string; readonly missing: string } = {
  path: named,
  missing: spawnSync(named, ['-c', FIND]).status === 0 ? '' : `left out: ${named} has no torch, numpy and onnx`,
}
