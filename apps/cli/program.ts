/** The nouns and verbs, their options, help and examples. What they do lies in `verbs/`, loaded when called. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { VERSION } from './version.ts'

function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError('It must be 1–65535.')
  return value
}

/** A verb with the options that all verbs share. */
function verb(parent: Command, usage: string, description: string, examples: readonly string[] = []): Command {
  const command = parent
    .command(usage)
    .description(description)
    .option('--json', 'print one JSON value on standard output; remarks go to standard error')
    .addOption(new Option('--state <dir>', 'state folder').env('GYRE_STATE'))
  if (examples.length > 0)
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`)
  return command
}

export function createProgram(): Command {
  const program = new Command('gyre')
    .description('From a folder of images to a running recognition service, and back.')
    .version(VERSION)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })

  verb(program, 'dev', 'Run the whole stack on this machine until Ctrl-C', [
    './gyre dev',
    './gyre dev --state ./state --port 9000',
  ])
    .option('--port <n>', 'port of the page and the API', port)
    .option('--gateway-port <n>', 'port of the endpoints', port)
    .option('--temporal-port <n>', 'port of the Temporal server', port)
    .option('--temporal-ui-port <n>', 'port of the Temporal page', port)
    .action(async (options) => (await import('./verbs/dev.ts')).dev(options))

  return program
}
