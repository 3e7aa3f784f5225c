/** The nouns and verbs, their options, help and examples. What they do lies in `verbs/`, loaded when called. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { PlatformError } from '#core/errors'
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

/** A verb that works with a running stack, and starts one for its own time where there is none. */
function stackVerb(parent: Command, usage: string, description: string, examples: readonly string[] = []): Command {
  return verb(parent, usage, description, examples).option(
    '--no-start',
    'fail with exit code 5 where no stack runs, instead of starting one',
  )
}

/** Where the stack keeps its objects and sends its work; a stack that runs already keeps its own settings. */
function withPlacement(command: Command): Command {
  const where = ['process', 'kubernetes']
  return command
    .addOption(new Option('--store <uri>', 'object store: a folder or s3://bucket/prefix').env('GYRE_STORE'))
    .addOption(new Option('--compute <where>', 'where jobs run').choices(where).env('GYRE_COMPUTE'))
    .addOption(new Option('--services <where>', 'where endpoints run').choices(where).env('GYRE_SERVICES'))
}

function ports(value: string, former: number[]): number[] {
  return [...former, port(value)]
}

function collect(value: string, former: string[]): string[] {
  return [...former, value]
}

function withParams(command: Command): Command {
  return command.option('--param <key=value>', 'a parameter; repeat for more', collect, [])
}

/** A new run that starts from another: what will happen is shown first. */
function withBase(command: Command): Command {
  return withParams(command)
    .option('--yes', 'without being asked')
    .option('--wait', 'follow it to its end; fails when the run does')
    .option('--run-id <id>', 'an id of your own; starting it twice is harmless')
}

const RUN_STATUSES = ['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled']

function withRollOut(command: Command): Command {
  return command
    .option('--replicas <n>', 'how many replicas; as the revision before where left out', positive)
    .option('--canary <percent>', 'share of the requests at first; all where left out', positive)
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number from 1.')
  return value
}

function timeMs(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text) ?? []
  const ms = Number(number) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'm' | 'h' | 'd']
  if (!(ms >= 1_000)) throw new InvalidArgumentError('Write it as 30m, 12h or 30d.')
  return Math.round(ms)
}

export function createProgram(): Command {
  const program = new Command('gyre')
    .description('From a folder of images to a running recognition service, and back.')
    .version(VERSION)
    .addOption(
      new Option('--project <dir>', 'folder with pipelines of your own; this folder if it has pipelines/').env(
        'GYRE_PROJECT_DIR',
      ),
    )
    .hook('preAction', (gyre) => chooseProject(gyre.opts()))
    .exitOverride()
  for (const add of [
    addProcesses,
    addPipelines,
    addRuns,
    addApprovals,
    addDatasets,
    addSessions,
    addModels,
    addEndpoints,
  ])
    add(program)
  for (const add of [addBatches, addUsers, addCluster, addTrainer, addState]) add(program)
  return program
}

/** Before a verb looks at the environment; a stack that starts hands it on to its children. */
function chooseProject({ project }: { project?: string }): void {
  if (!project) return
  const folder = path.resolve(project)
  if (!existsSync(path.join(folder, 'pipelines')))
    throw new PlatformError(
      'INVALID_INPUT',
      `${folder} has no folder pipelines; make a project with gyre init ${project}`,
    )
  process.env['GYRE_PROJECT_DIR'] = folder
}

function addProcesses(program: Command): void {
  verb(program, 'init', 'Make a folder of your own with a pipeline that works, a step and a test', [
    './gyre init parts',
    './gyre init .                      # in a clone of a project: links it to this Gyre',
  ])
    .argument('[folder]', 'a new or empty folder', '.')
    .action(async (folder, options) => (await import('./verbs/init.ts')).init(folder, options))

  withPlacement(
    verb(program, 'dev', 'Run the whole stack on this machine until Ctrl-C', [
      './gyre dev',
      './gyre dev --state ./state --port 9000',
      './gyre dev --compute kubernetes --services kubernetes --store s3://gyre/team',
    ]),
  )
    .option('--port <n>', 'port of the page and the API', port)
    .option('--gateway-port <n>', 'port of the endpoints', port)
    .option('--temporal-port <n>', 'port of the Temporal server', port)
    .option('--temporal-ui-port <n>', 'port of the Temporal page', port)
    .action(async (options) => (await import('./verbs/dev.ts')).dev(options))

  addServe(program)

  withPlacement(
    verb(program, 'demo', 'Watch images become a running service: render, label, train, deploy, prove', [
      './gyre demo',
      './gyre demo --exit --json',
      './gyre demo --images ./parts       # one sub-folder per class',
      './gyre demo --annotator web        # label in the browser yourself',
      './gyre demo --compute kubernetes --services kubernetes --store s3://gyre/demo',
    ]),
  )
    .option('--exit', 'leave at the end instead of staying up; the default without a terminal')
    .option('--images <dir>', 'your own images, one sub-folder per class, instead of rendered ones')
    .option('--name <name>', 'name of the dataset, the model and the endpoint')
    .addOption(new Option('--annotator <who>', 'who labels').choices(['simulated', 'web']).default('simulated'))
    .action(async (options) => (await import('./demo.ts')).demo(options))

  verb(program, 'test', 'Run every test that this machine can, and say what was left out', [
    './gyre test',
    './gyre test test/core/clustering',
    './gyre test --suite cluster',
  ])
    .addOption(
      new Option('--suite <name>', 'only what runs on this machine alone, or only what runs on a cluster').choices([
        'local',
        'cluster',
      ]),
    )
    .argument('[paths...]', 'only test files whose path contains one of these')
    .action(async (paths, options) => (await import('./verbs/test.ts')).test(paths, options))

  verb(program, 'doctor', 'Check what this machine, or a cluster, has of what Gyre needs', [
    './gyre doctor',
    'KUBECONFIG=… GYRE_STORE=s3://parts ./gyre doctor --cluster',
  ])
    .option(
      '--cluster',
      'check the cluster, the S3 store and the Temporal server that are set; exit code 5 if unusable',
    )
    .action(async ({ cluster, ...options }) =>
      cluster
        ? (await import('./verbs/doctor-cluster.ts')).doctorCluster(options)
        : (await import('./verbs/doctor.ts')).doctor(options),
    )
}

function addServe(program: Command): void {
  withPlacement(
    verb(program, 'serve', 'Run the stack for a team, over TLS, until it is stopped', [
      './gyre serve --listen 0.0.0.0 --tls-cert gyre.crt --tls-key gyre.key',
      './gyre serve --listen 127.0.0.1:8443 --behind-proxy --public-url https://gyre.example',
      './gyre serve --listen 0.0.0.0:443 --tls-cert … --tls-key … --print-systemd-unit > gyre.service',
    ]),
  )
    .requiredOption('--listen <addr[:port]>', 'the address that people reach; without TLS, one of loopback')
    .option('--tls-cert <file>', 'certificate and chain, PEM; read again when it changes')
    .option('--tls-key <file>', 'its key, PEM, without a passphrase')
    .option('--public-url <url>', 'what people open; from the certificate where left out')
    .option('--host <name>', 'another name under which people come; repeat for more', collect, [])
    .option('--behind-proxy', 'a proxy on this machine has the certificate and brings the calls')
    .option('--session <time>', 'how long a login in a browser lasts: 12h, 30d; 30d where left out', timeMs)
    .option('--print-systemd-unit', 'print the unit that runs this at boot, and leave')
    .action(async (options) => (await import('./verbs/serve.ts')).serve(options))
}

function addPipelines(program: Command): void {
  const pipeline = program.command('pipeline').description('Pipelines: list, plan, run')
  stackVerb(pipeline, 'list', 'List the pipelines of the project').action(async (options) =>
    (await import('./verbs/pipelines.ts')).list(options),
  )
  withParams(
    stackVerb(pipeline, 'plan <name>', 'Show what a run would do, without running it', [
      './gyre pipeline plan image-classifier --param dataset=parts --param classes=good,bad',
      './gyre pipeline plan image-classifier --param dataset=parts --param classes=good,bad --against main --format markdown',
    ]),
  )
    .option('--against <run|revision>', 'a run, or a git revision of the file; the newest completed run if left out')
    .addOption(new Option('--format <form>', 'how').choices(['text', 'json', 'markdown', 'mermaid']).default('text'))
    .action(async (name, options) => (await import('./verbs/pipelines.ts')).plan(name, options))
  withParams(
    stackVerb(pipeline, 'run <name>', 'Start a run', [
      './gyre pipeline run image-classifier --param dataset=parts --param source=./parts --param classes=good,bad --wait',
    ]),
  )
    .option('--wait', 'follow it to its end; fails when the run does')
    .option('--run-id <id>', 'an id of your own; starting it twice is harmless')
    .action(async (name, options) => (await import('./verbs/pipelines.ts')).run(name, options))
  addTriggers(pipeline)
}

function addTriggers(pipeline: Command): void {
  const trigger = pipeline
    .command('trigger')
    .description('What starts runs without a person: list, fires, pause, resume, fire, backfill, secret')
  stackVerb(trigger, 'list [pipeline]', 'List triggers, with when they fire and fired last').action(
    async (pipeline, options) => (await import('./verbs/triggers.ts')).list(pipeline, options),
  )
  stackVerb(trigger, 'fires <pipeline> <trigger>', 'List when it fired, why, and what it started').action(
    async (pipeline, name, options) => (await import('./verbs/triggers.ts')).fires(pipeline, name, options),
  )
  const acts = {
    pause: 'Let it fire no more until it is resumed',
    resume: 'Let it fire again',
    fire: 'Fire it now',
  } as const
  for (const [act, description] of Object.entries(acts) as ['pause' | 'resume' | 'fire', string][])
    stackVerb(trigger, `${act} <pipeline> <trigger>`, description).action(async (pipeline, name, options) =>
      (await import('./verbs/triggers.ts')).act(act, pipeline, name, options),
    )
  stackVerb(trigger, 'backfill <pipeline> <trigger>', 'Make up for the times of a schedule that were missed')
    .requiredOption('--from <time>', 'from when, as 2026-11-20 or 2026-11-20T03:00:00Z')
    .option('--to <time>', 'until when; now where left out')
    .action(async (pipeline, name, options) => (await import('./verbs/triggers.ts')).backfill(pipeline, name, options))
  stackVerb(
    trigger,
    'secret <pipeline> <trigger>',
    'Make a new secret for a webhook; the one before is good no more',
  ).action(async (pipeline, name, options) => (await import('./verbs/triggers.ts')).secret(pipeline, name, options))
}

function addRuns(program: Command): void {
  const run = program
    .command('run')
    .description('Runs: list, show, watch, logs, compare, cancel, resume, rerun, fork, approve')
  stackVerb(run, 'list', 'List runs, newest first', ['./gyre run list --pipeline image-classifier --status failed'])
    .option('--pipeline <name>', 'only runs of this pipeline')
    .addOption(new Option('--status <status>', 'only runs in this state').choices(RUN_STATUSES))
    .option('--limit <n>', 'at most so many', positive)
    .action(async (options) => (await import('./verbs/runs.ts')).list(options))
  stackVerb(run, 'show <run>', 'Show the steps of a run, why each ran, and what came out', [
    './gyre run show image-classifier-1 --json',
  ]).action(async (id, options) => (await import('./verbs/runs.ts')).show(id, options))
  stackVerb(run, 'watch <run>', 'Follow a run to its end; fails when the run does')
    .option('--events', 'print the whole report as one line of JSON at each change')
    .action(async (id, options) => (await import('./verbs/runs.ts')).watch(id, options))
  stackVerb(run, 'logs <run> [step]', 'Show what the steps of a run said; it is kept as long as the run', [
    './gyre run logs image-classifier-1 train --follow',
  ])
    .option('--follow', 'go on until the run is over')
    .action(async (id, step, options) => (await import('./verbs/run-logs.ts')).logs(id, step, options))
  stackVerb(run, 'compare <run> <other>', 'Show what differs between two runs, and why', [
    './gyre run compare image-classifier-1 image-classifier-2',
  ]).action(async (id, other, options) => (await import('./verbs/run-compare.ts')).compare(id, other, options))
  stackVerb(run, 'cancel <run>', 'Stop the work of a run, within five seconds').action(async (id, options) =>
    (await import('./verbs/runs.ts')).cancel(id, options),
  )
  stackVerb(run, 'resume <run>', 'Let a failed or cancelled run go on; finished steps are kept')
    .option('--wait', 'follow it to its end')
    .action(async (id, options) => (await import('./verbs/runs.ts')).resume(id, options))
  withBase(
    stackVerb(run, 'rerun <run>', 'Start a new run of the same code from a step on, or with other parameters', [
      './gyre run rerun image-classifier-1 --from train',
      './gyre run rerun image-classifier-1 --param epochs=50 --yes',
    ]),
  )
    .option(
      '--from <step>',
      'a step, or a pipeline in it, that runs whatever is known of it; repeat for more',
      collect,
      [],
    )
    .action(async (id, options) => (await import('./verbs/reruns.ts')).rerun(id, options))
  withBase(
    stackVerb(run, 'fork <run>', 'Start a new run with the code of today; results that still hold are taken over', [
      './gyre run fork image-classifier-1 --pipeline image-classifier',
    ]),
  )
    .requiredOption('--pipeline <name|file>', 'the pipeline whose code it runs')
    .action(async (id, options) => (await import('./verbs/reruns.ts')).fork(id, options))
  stackVerb(run, 'approve <run> <step>', 'Answer a step that waits for people, or give somebody a link to answer it', [
    './gyre run approve image-classifier-1 approve --why "looked at the worst examples"',
    './gyre run approve image-classifier-1 approve --refuse --why "too few dents"',
    './gyre run approve image-classifier-1 sign-off --form batch=B7 --form limit=0.5',
    './gyre run approve image-classifier-1 sign-off --link ada   # a one-time page, without a login',
  ])
    .option('--refuse', 'refuse instead; the run fails with the reason')
    .option('--why <text>', 'the reason, kept with the answer')
    .option('--form <key=value>', 'a field of the form; repeat for more', collect, [])
    .option('--link <person>', 'answer nothing; give a link with which this person answers once, within seven days')
    .action(async (id, step, options) => (await import('./verbs/approvals.ts')).approve(id, step, options))
}

function addApprovals(program: Command): void {
  stackVerb(program, 'approvals', 'List what waits for people: what is asked of whom, and until when', [
    './gyre approvals',
    './gyre approvals --json',
  ]).action(async (options) => (await import('./verbs/approvals.ts')).list(options))
}

function addDatasets(program: Command): void {
  const dataset = program.command('dataset').description('Datasets: versions, queries, health, formats, retention')
  stackVerb(dataset, 'import <name> <source>', 'Import a folder, an archive or s3://bucket/prefix as a new version', [
    './gyre dataset import parts ./parts',
    './gyre dataset import parts ./parts --labels folders',
    './gyre dataset import parts ./annotations.json --format coco',
    './gyre dataset import parts s3://camera-3/2026-11 --reference',
    './gyre dataset import parts ./line.mp4 --format video --every 2 --html import.html',
  ])
    .option(
      '--format <format>',
      'how the source is laid out: folder, imagenet, csv, jsonl, coco, voc, yolo, huggingface, webdataset, parquet, video; "auto" looks',
      'auto',
    )
    .option('--every <seconds>', 'of a video: seconds from one frame to the next', Number, 1)
    .option('--reference', 'of a bucket: images stay where they are', false)
    .option('--html <file>', 'write the report with pictures as a page')
    .addOption(
      new Option('--labels <from>', 'whether sub-folder names become labels')
        .choices(['none', 'folders'])
        .default('none'),
    )
    .action(async (name, source, options) => (await import('./verbs/datasets.ts')).importFrom(name, source, options))
  stackVerb(dataset, 'list', 'List datasets').action(async (options) =>
    (await import('./verbs/datasets.ts')).list(options),
  )
  stackVerb(dataset, 'show <name>', 'Show counts, splits, classes and versions of a dataset')
    .option('--ref <ref>', 'a version or a named reference; the newest where left out')
    .action(async (name, options) => (await import('./verbs/datasets.ts')).show(name, options))
  stackVerb(
    dataset,
    'export <name> <target>',
    'Write NAME or NAME@REF as files for other tools: a folder, or a .tar file',
    [
      './gyre dataset export parts ./parts-coco --format coco',
      './gyre dataset export parts@d21992 parts.tar --format yolo',
    ],
  )
    .addOption(
      new Option('--format <format>', 'what to write')
        .choices(['folder', 'csv', 'huggingface', 'coco', 'yolo', 'webdataset', 'parquet'])
        .default('folder'),
    )
    .action(async (name, target, options) =>
      (await import('./verbs/dataset-export.ts')).exportTo(name, target, options),
    )
  stackVerb(dataset, 'stream <name> <file>', 'Write where a trainer finds the images of NAME or NAME@REF', [
    './gyre dataset stream parts parts.json',
    './gyre dataset stream parts@d21992 held-out.json --split test',
  ])
    .addOption(new Option('--split <split>', 'which images').choices(['train', 'test', 'all']).default('train'))
    .option('--unlabelled', 'also images without a label')
    .action(async (name, file, options) => (await import('./verbs/dataset-stream.ts')).describeTo(name, file, options))
  addDatasetHistory(dataset)
  addDatasetQueries(dataset)
  addDatasetHealth(dataset)
  addDatasetRetention(dataset)
}

/** Where versions came from, what tells them apart, and where refs point. */
function addDatasetHistory(dataset: Command): void {
  stackVerb(dataset, 'log <name>', 'List the versions that NAME or NAME@REF came from, newest first', [
    './gyre dataset log parts',
    './gyre dataset log parts@before-audit --limit 5',
  ])
    .option('--limit <versions>', 'the most versions, 1–1000')
    .action(async (name, options) => (await import('./verbs/dataset-history.ts')).log(name, options))
  stackVerb(dataset, 'diff <name> [to]', 'Show what tells NAME@REF from latest, or from another version', [
    './gyre dataset diff parts@d21992',
    './gyre dataset diff parts@d21992 before-audit --images',
    './gyre dataset diff parts@d21992 --kind relabelled --label scratch',
  ])
    .option('--images', 'also list the images that differ')
    .addOption(
      new Option('--kind <kind>', 'list the images that differ in this way').choices([
        ...['added', 'removed', 'relabelled', 'resplit', 'excluded', 'included', 'judged'],
        ...['tagged', 'described', 'boxed', 'regrouped'],
      ]),
    )
    .option('--label <class>', 'of images that have this label before or after')
    .option('--limit <images>', 'the most images to list, 1–500')
    .action(async (name, to, options) => (await import('./verbs/dataset-history.ts')).diff(name, to, options))
  stackVerb(dataset, 'merge <name>', 'Merge version or ref NAME@REF into latest, image by image and field by field', [
    './gyre dataset merge parts@second-opinion',
    './gyre dataset merge parts@second-opinion --policy people,theirs',
    './gyre dataset merge parts@4be1c0 --into audited --decisions decided.json',
  ])
    .option('--into <ref>', 'the ref that moves to the merge', 'latest')
    .option(
      '--policy <policies>',
      'of conflicts: ours, theirs, people, clear, fail; several in their order, with commas',
    )
    .option('--decisions <file>', 'JSON list of {digest, field, take: ours|theirs|clear}')
    .option('--note <text>', 'why')
    .action(async (name, options) => (await import('./verbs/dataset-history.ts')).merge(name, options))
  stackVerb(dataset, 'tag <name> <tag>', 'Name the version NAME or NAME@REF', [
    './gyre dataset tag parts before-audit',
    './gyre dataset tag parts@d21992 before-audit --move',
  ])
    .option('--move', 'the tag moves where it names another version')
    .option('--note <text>', 'why')
    .action(async (name, tag, options) => (await import('./verbs/dataset-history.ts')).tag(name, tag, options))
  stackVerb(dataset, 'restore <name>', 'Make an earlier version NAME@VERSION the latest again; nothing is lost', [
    './gyre dataset restore parts@d21992',
    './gyre dataset restore parts@before-audit --note "the relabelling was wrong"',
  ])
    .option('--ref <ref>', 'the ref that moves', 'latest')
    .option('--note <text>', 'why')
    .action(async (name, options) => (await import('./verbs/dataset-history.ts')).restore(name, options))
}

/** Which images fit a condition, and conditions with a name. */
function addDatasetQueries(dataset: Command): void {
  stackVerb(
    dataset,
    'query <name> [condition]',
    'Find images of NAME or NAME@REF: docs/queries.md says what may be asked',
    [
      `./gyre dataset query parts "label = 'scratch' and blur > 0.4 and split = 'train'"`,
      `./gyre dataset query parts "'night' in tags" --order=-blur --columns digest,blur,source`,
      `./gyre dataset query parts "excluded is null and brightness < 0.2" --save dark`,
      './gyre dataset query parts --view dark --count',
    ],
  )
    .option('--count', 'only say how many')
    .option('--limit <n>', 'how many are shown; 20 where left out', positive)
    .option('--order <columns>', 'by which columns, separated by commas; -blur for the largest first')
    .option('--columns <columns>', 'what to show of each, separated by commas')
    .option('--view <view>', 'the condition of a saved view')
    .option('--save <view>', 'keep the condition under this name')
    .option('--note <text>', 'what the saved view is for')
    .action(async (name, condition, options) =>
      (await import('./verbs/dataset-query.ts')).query(name, condition, options),
    )
  stackVerb(dataset, 'views <name>', 'List the saved views of a dataset', ['./gyre dataset views parts --remove dark'])
    .option('--remove <view>', 'remove this one first')
    .action(async (name, options) => (await import('./verbs/dataset-query.ts')).views(name, options))
}

/** How long versions are kept, what is deleted and brought back, and what follows from what. */
function addDatasetRetention(dataset: Command): void {
  const verbs = () => import('./verbs/dataset-retention.ts')
  stackVerb(dataset, 'gc', 'Remove what nothing names any more: condemned after a week, gone a week later', [
    './gyre dataset gc --dry-run',
    './gyre dataset gc',
  ])
    .option('--dry-run', 'only look and tell')
    .action(async (options) => (await verbs()).gc(options))
  stackVerb(dataset, 'policy <name>', 'Show or set how long versions of a dataset are kept', [
    './gyre dataset policy parts --versions 10 --days 90 --run-days 365',
    './gyre dataset policy parts --versions none',
  ])
    .option('--versions <n>', 'of each ref, so many of the last; "none" lifts the bound')
    .option('--days <n>', 'what was current within so many days')
    .option('--run-days <n>', 'how long after their end runs hold the versions they used')
    .action(async (name, options) => (await verbs()).policy(name, options))
  stackVerb(dataset, 'hold <name>', 'List, place or release holds on NAME or NAME@REF: what is held is never deleted', [
    './gyre dataset hold parts@d21992 --as audit --reason "asked for by the auditor"',
    './gyre dataset hold parts --release audit',
  ])
    .option('--as <hold>', 'a name for a new hold')
    .option('--reason <text>', 'why')
    .option('--release <hold>', 'end a hold')
    .action(async (name, options) => (await verbs()).hold(name, options))
  stackVerb(dataset, 'trash <name>', 'List the versions of a dataset in the trash').action(async (name, options) =>
    (await verbs()).trash(name, options),
  )
  stackVerb(dataset, 'undelete <name@version>', 'Bring a version back from the trash', [
    './gyre dataset undelete parts@d21992',
  ]).action(async (name, options) => (await verbs()).undelete(name, options))
  stackVerb(dataset, 'delete-image <digest>', 'Delete one image everywhere, for good', [
    './gyre dataset delete-image 3f9a… --reason "asked by the person shown" --yes',
  ])
    .option('--reason <text>', 'why; kept in place of the image')
    .option('--yes', 'this cannot be undone')
    .action(async (digest, options) => (await verbs()).deleteImage(digest, options))
  stackVerb(dataset, 'verify <name>', 'Prove that NAME or NAME@REF is whole, and that its splits do not leak', [
    './gyre dataset verify parts --every-image',
  ])
    .option('--every-image', 'read every image, not only tables and packs')
    .action(async (name, options) => (await verbs()).verify(name, options))
  stackVerb(
    dataset,
    'lineage <name>',
    'Show where NAME or NAME@REF comes from, and which models and endpoints it led to',
  ).action(async (name, options) => (await verbs()).lineage(name, options))
}

/** The health of datasets and what their labels may say. */
function addDatasetHealth(dataset: Command): void {
  stackVerb(dataset, 'health <name>', 'Check NAME or NAME@REF: odd images, rare classes, wrong labels, leaks, drift', [
    './gyre dataset health parts --html parts.html',
    './gyre dataset health parts --against d21992',
  ])
    .option('--against <ref>', 'also say what differs from this version or ref')
    .option('--no-labels', 'do not hold labels against embeddings, which takes longest')
    .option('--html <file>', 'write the report with pictures')
    .action(async (name, options) => (await import('./verbs/dataset-health.ts')).health(name, options))

  const acts = {
    exclude: 'Leave images out of everything that follows, in a new version',
    include: 'Take excluded images back, in a new version',
    ask: 'Take labels back that no person saw, so that labelling asks for them, in a new version',
  } as const
  for (const [action, says] of Object.entries(acts) as [keyof typeof acts, string][])
    stackVerb(dataset, `${action} <name>`, says, [
      `./gyre dataset ${action} parts --where "blur > 0.6" --reason "out of focus"`,
      `./gyre dataset ${action} parts --finding ${action === 'ask' ? 'mislabelled' : 'blurry'}`,
    ])
      .option('--where <condition>', 'images that fit it; docs/queries.md says what may be written')
      .option('--finding <kind>', 'images of a finding of the newest health report')
      .option('--digests <file>', 'images by their digests, one a line')
      .option('--reason <text>', 'why; the title of the finding where left out')
      .action(async (name, options) => (await import('./verbs/dataset-health.ts')).act(action, name, options))

  const operations: ['add' | 'remove' | 'rename' | 'merge' | 'split', string][] = []
  const inOrder = (kind: (typeof operations)[number][0]) => (text: string) => void operations.push([kind, text])
  stackVerb(dataset, 'schema <name>', 'Show, set or migrate what labels of NAME or NAME@REF may say', [
    './gyre dataset schema parts',
    './gyre dataset schema parts --set schema.yaml --reason "agreed on 3 March"',
    './gyre dataset schema parts --merge dent,hole=damage --rename ok=good --preview',
    './gyre dataset schema parts --split scratch=deep,light --by depth',
  ])
    .option('--set <file>', 'JSON or YAML {task, classes, boxes, attributes}')
    .option('--add <class>', 'a new class', inOrder('add'))
    .option('--remove <class>', 'its images lose the label', inOrder('remove'))
    .option('--rename <old=new>', 'the same class under another name', inOrder('rename'))
    .option('--merge <a,b=new>', 'several classes into one', inOrder('merge'))
    .option('--split <old=a,b>', 'one class into several; people decide, or --by does', inOrder('split'))
    .option('--by <attribute>', 'of --split: an attribute whose values are the new classes')
    .option('--boxes', 'classes of boxes instead of images')
    .option('--preview', 'only say what would happen, and which images would need a person')
    .option('--reason <text>', 'why, for the history')
    .action(async (name, options) => (await import('./verbs/dataset-health.ts')).schema(name, operations, options))
}

function addSessions(program: Command): void {
  const annotate = program
    .command('annotate')
    .description('Labelling sessions: open, watch, lead, stop; annotations in and out; certificates')
  stackVerb(annotate, 'open [session]', 'Open the labelling page of a session or of a dataset').action(
    async (session, options) => (await import('./verbs/sessions.ts')).open(session, options),
  )
  stackVerb(annotate, 'list', 'List labelling sessions').action(async (options) =>
    (await import('./verbs/sessions.ts')).list(options),
  )
  stackVerb(annotate, 'show <session>', 'Show where a session stands').action(async (session, options) =>
    (await import('./verbs/sessions.ts')).show(session, options),
  )
  stackVerb(annotate, 'people <session>', 'Show who did what, how fast and how well').action(async (session, options) =>
    (await import('./verbs/sessions.ts')).people(session, options),
  )
  stackVerb(annotate, 'disagreements <session>', 'List images of which two people say different things', [
    './gyre annotate disagreements parts-1.annotate --json',
  ])
    .option('--after <image>', 'go on after this image')
    .option('--count <n>', 'at most so many, 500 at most', positive)
    .action(async (session, options) => (await import('./verbs/sessions.ts')).disagreements(session, options))
  stackVerb(annotate, 'instructions <session> [file]', 'Show what annotators are told, or write it (Markdown)', [
    './gyre annotate instructions parts-1.annotate classes.md',
  ]).action(async (session, file, options) =>
    (await import('./verbs/sessions.ts')).instructions(session, file, options),
  )
  stackVerb(annotate, 'classes <session>', 'Show the classes of a session, add one, or remove or merge one', [
    './gyre annotate classes parts-1.annotate --add rust',
    './gyre annotate classes parts-1.annotate --remove dent --into scratch',
  ])
    .option('--add <class>', 'a class that people shall choose from')
    .option('--remove <class>', 'one that they shall not; its images come back')
    .option('--into <class>', 'of --remove: the class that its images go to')
    .action(async (session, options) => (await import('./verbs/sessions.ts')).classes(session, options))
  stackVerb(annotate, 'request <session> [images...]', 'Have images shown next, or an annotator looked over', [
    './gyre annotate request parts-1.annotate 3f2a90…c1 --class dent --review',
    './gyre annotate request parts-1.annotate --of bert --count 96',
  ])
    .option('--class <class>', 'under which they are shown')
    .option('--review', 'also images that people labelled already')
    .option('--of <annotator>', 'images drawn by chance from those that this person labelled')
    .option('--count <n>', 'of --of: how many, 96 where left out', positive)
    .action(async (session, images, options) => (await import('./verbs/sessions.ts')).request(session, images, options))
  stackVerb(annotate, 'import <dataset> <file>', 'Take in annotations of Label Studio (JSON) or CVAT (XML)', [
    './gyre annotate import parts project-1.json',
    './gyre annotate import parts annotations.xml --format cvat',
  ])
    .addOption(
      new Option('--format <format>', 'which tool wrote it').choices(['auto', 'label-studio', 'cvat']).default('auto'),
    )
    .option('--control <name>', 'of Label Studio: the choices to read, where there are several')
    .action(async (dataset, file, options) =>
      (await import('./verbs/annotations.ts')).importFrom(dataset, file, options),
    )
  stackVerb(annotate, 'export <session> <file>', 'Write the labels of a session as they are now', [
    './gyre annotate export <session> labels.csv',
    './gyre annotate export <session> tasks.json --format label-studio --image-base /data/local-files/?d=parts/',
  ])
    .addOption(new Option('--format <format>', 'how').choices(['csv', 'jsonl', 'label-studio', 'cvat']).default('csv'))
    .option('--image-base <text>', "what comes before each image's name")
    .action(async (session, file, options) =>
      (await import('./verbs/annotations.ts')).exportFrom(session, file, options),
    )
  stackVerb(annotate, 'certificates [dataset]', 'List certificates: what they promise, and whether they stand').action(
    async (dataset, options) => (await import('./verbs/certificates.ts')).list(dataset, options),
  )
  verb(annotate, 'verify <certificate>', 'Compute a certificate anew from the answers in the store', [
    './gyre annotate verify parts',
    './gyre annotate verify 3f2a90c1',
    './gyre annotate verify certificate.json --key 5d41402abc4b2a76',
  ])
    .option('--key <fingerprint>', 'that of the key which must have signed it')
    .action(async (name, options) => (await import('./verbs/certificates.ts')).verify(name, options))
  stackVerb(annotate, 'revoke <certificate>', 'Take a certificate back, for good', [
    './gyre annotate revoke parts --reason \'class "dent" was misunderstood\'',
  ])
    .requiredOption('--reason <text>', 'why, for those who look at it later')
    .action(async (name, options) => (await import('./verbs/certificates.ts')).revoke(name, options))
  stackVerb(annotate, 'stop <session>', 'End a session with the labels there are; its run goes on').action(
    async (session, options) => (await import('./verbs/sessions.ts')).stop(session, options),
  )
}

function addModels(program: Command): void {
  const model = program.command('model').description('The model registry: list, alias')
  stackVerb(model, 'list [name]', 'List models, or the versions of one').action(async (name, options) =>
    (await import('./verbs/models.ts')).list(name, options),
  )
  stackVerb(model, 'alias <name> <version> <alias>', 'Point an alias at a version', [
    './gyre model alias parts 12 champion',
  ]).action(async (name, version, alias, options) =>
    (await import('./verbs/models.ts')).alias(name, positive(version), alias, options),
  )
}

function addEndpoints(program: Command): void {
  const endpoint = program.command('endpoint').description('Endpoints: roll out, move traffic, predict, delete')
  stackVerb(endpoint, 'list', 'List endpoints, their revisions and traffic').action(async (options) =>
    (await import('./verbs/endpoints.ts')).list(options),
  )
  stackVerb(endpoint, 'show <name>', 'Show the revisions of an endpoint and how its traffic moved').action(
    async (name, options) => (await import('./verbs/endpoints.ts')).show(name, options),
  )
  withRollOut(
    stackVerb(endpoint, 'rollout <name> <model>', 'Put a registered model behind an endpoint', [
      './gyre endpoint rollout parts parts@12',
      './gyre endpoint rollout parts parts@latest --canary 10',
    ]),
  ).action(async (name, model, options) => (await import('./verbs/endpoints.ts')).rollout(name, model, options))
  withParams(
    withRollOut(
      stackVerb(endpoint, 'deploy <file>', 'Put an algorithm file behind the endpoint of its name', [
        './gyre endpoint deploy pipelines/algorithms/class-with-threshold.ts --param threshold=0.8',
      ]),
    ),
  ).action(async (file, options) => (await import('./verbs/endpoints.ts')).deploy(file, options))
  stackVerb(endpoint, 'traffic <name> <shares>', 'Divide the requests among revisions, in whole percents', [
    './gyre endpoint traffic parts r3=10,r2=90',
  ]).action(async (name, shares, options) => (await import('./verbs/endpoints.ts')).traffic(name, shares, options))
  stackVerb(endpoint, 'promote <name>', 'Send all requests to the canary').action(async (name, options) =>
    (await import('./verbs/endpoints.ts')).promote(name, options),
  )
  stackVerb(endpoint, 'back <name>', 'Send all requests to the revision that had them before; it is still warm').action(
    async (name, options) => (await import('./verbs/endpoints.ts')).back(name, options),
  )
  stackVerb(endpoint, 'delete <name>', 'End an endpoint and everything that runs for it')
    .option('--yes', 'without being asked')
    .action(async (name, options) => (await import('./verbs/endpoints.ts')).remove(name, options))
  stackVerb(endpoint, 'predict <name> <files...>', 'Send image files to an endpoint', [
    './gyre endpoint predict parts photo.jpg --json',
  ]).action(async (name, files, options) => (await import('./verbs/endpoints.ts')).predict(name, files, options))
}

function addBatches(program: Command): void {
  const batch = program.command('batch').description('Self-service tasks: a model over many images')
  const run = stackVerb(batch, 'run <model|file>', 'Run a model or an algorithm over a folder or a dataset', [
    './gyre batch run parts --on ./new-photos',
    './gyre batch run parts@champion --on parts --json',
    './gyre batch run pipelines/algorithms/class-with-threshold.ts --on ./new-photos --param threshold=0.9',
  ])
  withParams(run)
    .requiredOption('--on <folder|dataset>', 'the images')
    .option('--out <dir>', 'where the results go; beside the state where left out')
    .action(async (model, options) => (await import('./verbs/batches.ts')).run(model, options))
  stackVerb(batch, 'list', 'List batch tasks').action(async (options) =>
    (await import('./verbs/batches.ts')).list(options),
  )
}

function addUsers(program: Command): void {
  const roles = ['owner', 'engineer', 'annotator', 'operator', 'viewer']
  const verbs = () => import('./verbs/users.ts')
  const user = program.command('user').description('People: add, list, role, link, remove, tokens')
  stackVerb(user, 'add <name>', 'Add a person, or give a known one a new link', [
    './gyre user add ada --role annotator',
  ])
    .addOption(new Option('--role <role>', 'what they may do').choices(roles).makeOptionMandatory())
    .action(async (name, options) => (await verbs()).add(name, options))
  stackVerb(user, 'list', 'List people').action(async (options) => (await verbs()).list(options))
  stackVerb(user, 'link <name>', 'Give a person a new link, good for one login within a day').action(
    async (name, options) => (await verbs()).link(name, options),
  )
  stackVerb(user, 'role <name>', 'Give a person another role, at once')
    .addArgument(new Argument('<role>').choices(roles))
    .action(async (name, role, options) => (await verbs()).role(name, role, options))
  stackVerb(user, 'remove <name>', 'End all links, logins and tokens of a person').action(async (name, options) =>
    (await verbs()).remove(name, options),
  )
  stackVerb(user, 'token <name>', 'Make a token for a program that acts in the name of a person', [
    './gyre user token shop --label "till 3"          # for predictions alone',
    './gyre user token ada --for api --days 30        # for all that ada may do: GYRE_API_TOKEN',
  ])
    .addOption(new Option('--for <what>', 'what it opens').choices(['endpoints', 'api']).default('endpoints'))
    .option('--label <text>', 'what it is for', '')
    .option('--days <n>', 'how long it lasts', positive, 365)
    .action(async (name, options) => (await verbs()).token(name, options))
  stackVerb(user, 'tokens <name>', 'List the logins and tokens of a person').action(async (name, options) =>
    (await verbs()).tokens(name, options),
  )
  stackVerb(user, 'revoke <name> <token>', 'End one login or token of a person').action(async (name, id, options) =>
    (await verbs()).revoke(name, id, options),
  )
}

function addCluster(program: Command): void {
  const cluster = program.command('cluster').description('A Kubernetes cluster on this machine: up, down, status')
  verb(cluster, 'up', 'Make sure that a cluster is up, with the images of Gyre: kind, k3d, minikube or our own', [
    './gyre cluster up',
    './gyre cluster up --host-port 9000          # Pods reach 127.0.0.1:9000 as host.gyre.internal:9000',
    './gyre cluster up --use-current-context     # the cluster that kubectl speaks to, left as it is',
  ])
    .option('--use-current-context', 'use the cluster of the current kubeconfig context instead of making one')
    .option('--own', 'make a node of our own, also where kind, k3d or minikube could make a cluster')
    .option('--host-port <port>', "a port of this machine's loopback that Pods may reach; repeat for more", ports, [])
    .option('--no-images', 'leave out building and loading the images of Gyre')
    .action(async (options) => (await import('./verbs/cluster.ts')).up(options))
  verb(cluster, 'down', 'Take down what `cluster up` started, and nothing else').action(async (options) =>
    (await import('./verbs/cluster.ts')).down(options),
  )
  verb(cluster, 'status', 'Show the nodes, the Pods by namespace and how to use the cluster', [
    './gyre cluster status --json',
  ]).action(async (options) => (await import('./verbs/cluster.ts')).status(options))
}

function addTrainer(program: Command): void {
  const trainer = program.command('trainer').description('The Python that trains networks on this machine')
  verb(trainer, 'install', 'Make an environment with torch in the state folder', [
    './gyre trainer install',
    './gyre trainer install --python /usr/bin/python3.12',
  ])
    .option('--python <path>', 'Python 3.10 or later to make it with', 'python3')
    .option('--index-url <url>', 'a package index to look in beside the usual one')
    .action(async (options) => (await import('./verbs/trainer.ts')).installTrainer(options))
}

function addState(program: Command): void {
  verb(program, 'backup <file>', 'Write objects and run histories of one moment to a file; the stack may run', [
    './gyre backup gyre.tar',
  ])
    .addOption(new Option('--store <uri>', 'object store of a stack that does not run').env('GYRE_STORE'))
    .action(async (file, options) => (await import('./verbs/backup.ts')).backup(file, options))
  verb(program, 'restore <file>', 'Fill an empty state folder from a backup', [
    './gyre restore gyre.tar --state ./state',
  ]).action(async (file, options) => (await import('./verbs/backup.ts')).restore(file, options))
}
