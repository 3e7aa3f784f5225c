#!/usr/bin/env node
/** The command line: `gyre <noun> <verb>`. Each verb's code is loaded when it is called, so that `--version` costs nothing. */
import { createProgram } from './program.ts'
import { report } from './failure.ts'

const argv = process.argv.slice(2)
// Colour is for terminals; some libraries would also colour the logs of CI. Read by what the verbs load later.
if (!process.stdout.isTTY && !process.env['FORCE_COLOR']) process.env['NO_COLOR'] = '1'
try {
  await createProgram().parseAsync(argv, { from: 'user' })
} catch (error) {
  process.exitCode = report(error, { json: argv.includes('--json') })
}
