/** What a code means for the caller. Exit codes: 1 failed, 2 usage, 3 not found, 4 conflict, 5 unavailable. */
export interface ErrorFacts {
  /** One sentence for the README's catalogue: when it happens. */
  readonly when: string
  /** What the person does about it. */
  readonly remedy: string
  readonly retryable: boolean
  readonly exitCode: 1 | 2 | 3 | 4 | 5
  readonly httpStatus: number
}

const user = { retryable: false, exitCode: 2, httpStatus: 400 } as const
const failed = { retryable: false, exitCode: 1, httpStatus: 422 } as const
const missing = { retryable: false, exitCode: 3, httpStatus: 404 } as const
const conflict = { retryable: false, exitCode: 4, httpStatus: 409 } as const
const unavailable = { retryable: true, exitCode: 5, httpStatus: 503 } as const

/** Every code a user can meet, sorted by code within its area. Append here; a test keeps README.md in step. */
export const CATALOGUE = {
  INTERNAL: {
    when: 'A failure that Gyre did not foresee.',
    remedy: 'Report it with the run id; `gyre run resume` tries again.',
    retryable: true,
    exitCode: 1,
    httpStatus: 500,
  },
  INVALID_NAME: {
    when: 'A name has other characters than lower-case letters, digits and inner hyphens, or more than 40.',
    remedy: 'Use lower-case letters, digits and hyphens, at most 40.',
    ...user,
  },
  INVALID_INPUT: {
    when: 'A value given to a command, a step or an HTTP call does not fit its schema.',
    remedy: 'Mend the value at the path that the message names.',
    ...user,
  },

  PIPELINE_NOT_FOUND: {
    when: 'No pipeline has this name.',
    remedy: 'List them with `gyre pipeline list`.',
    ...missing,
  },
  PIPELINE_INVALID: {
    when: 'A pipeline file does not define a usable pipeline.',
    remedy: 'Mend the definition as the message says.',
    ...user,
  },
  PIPELINE_PARAMS_INVALID: {
    when: 'A parameter of a run is missing, unknown, or outside its bounds.',
    remedy: 'Mend the parameter at the path that the message names.',
    ...user,
  },
  PLAN_FORMAT_UNKNOWN: {
    when: 'A newer version of Gyre made the plan of the run.',
    remedy: 'Use that version, or a newer one.',
    ...conflict,
  },
  PLAN_TOO_LARGE: {
    when: 'A plan has more than 2,000 nodes or 1 MB.',
    remedy: 'Fan out with fewer, larger steps.',
    ...user,
  },
  MAP_ITEMS_FAILED: {
    when: 'More items of a map failed than it allows.',
    remedy:
      'Mend what the first one died of and resume: items that succeeded are kept. Or ask for a smaller share with `atLeast`.',
    ...failed,
  },
  RUN_NOT_COMPLETED: {
    when: 'A run that a command waited for was cancelled.',
    remedy: 'Let it go on with `gyre run resume`.',
    ...failed,
  },
  RUN_NOT_FOUND: { when: 'No run has this id.', remedy: 'List them with `gyre run list`.', ...missing },
  RUN_NOT_RESUMABLE: {
    when: 'The run is in flight or completed, so there is nothing to resume.',
    remedy: 'Start a new run, or wait for this one.',
    ...conflict,
  },
  STEP_FAILED: {
    when: 'A step of your own called `fail`.',
    remedy: 'Do as its message says; `gyre run resume`.',
    ...failed,
  },
  STEP_OUTPUT_INVALID: {
    when: 'A step returned something its output schema refuses.',
    remedy: 'Mend the step.',
    ...failed,
  },

  OBJECT_NOT_FOUND: {
    when: 'The store has no object under this key.',
    remedy: 'Restore it from a backup, or run the step that made it again.',
    ...missing,
  },
  OBJECT_CORRUPT: {
    when: 'The bytes of an object do not have the digest in its name.',
    remedy: 'Restore the object from a backup.',
    ...failed,
  },
  POINTER_MOVED: {
    when: 'Somebody else moved a ref, an alias or a setting at the same time.',
    remedy: 'Look at it again, then repeat the change if it still holds.',
    ...conflict,
  },
  STORE_REFUSED: {
    when: 'The bucket does not exist, may not be written to, or the S3 server refuses the credentials.',
    remedy: 'Do as the message says.',
    ...unavailable,
    retryable: false,
  },
  STORE_UNSAFE: {
    when: 'Two writers won the same create-only key in the race probe.',
    remedy: 'Use a store whose conditional writes are atomic.',
    ...unavailable,
    retryable: false,
  },
  STORE_UNAVAILABLE: {
    when: 'The object store does not answer.',
    remedy: 'Check its address and credentials; Gyre keeps trying.',
    ...unavailable,
  },
  STORE_DISK_FULL: {
    when: 'A write found no room on the disk.',
    remedy: 'Free some space, then `gyre run resume`.',
    ...unavailable,
    retryable: false,
  },
  STATE_IN_USE: {
    when: 'Another process runs on the same state folder.',
    remedy: 'Use it, stop it, or choose another folder with `--state`.',
    ...conflict,
  },
  CODEC_KEY_UNFIT: {
    when: 'A payload in Temporal is encrypted with a key that is not there, or is another one.',
    remedy: 'Put the key that the message names into the file of GYRE_CODEC_KEYS_FILE.',
    ...unavailable,
    retryable: false,
  },
  BACKUP_INVALID: {
    when: 'A file is no backup, is damaged or not whole, or was written by a newer Gyre.',
    remedy: 'Use another backup; nothing was restored.',
    ...user,
  },
  PORT_IN_USE: {
    when: 'A port that was asked for by name is taken.',
    remedy: 'Choose another port, or leave it out.',
    ...conflict,
  },
  STACK_NOT_RUNNING: {
    when: 'The command needs the stack, and `--no-start` was given.',
    remedy: 'Start it with `gyre dev`.',
    ...unavailable,
    retryable: false,
  },
  STACK_START_FAILED: {
    when: 'A part of the stack did not start.',
    remedy: 'Read the log that the message names.',
    ...unavailable,
    retryable: false,
  },
  TEMPORAL_NOT_FOUND: {
    when: 'No Temporal server could be found or built.',
    remedy: 'Use one of the five ways that the message lists.',
    ...unavailable,
    retryable: false,
  },
  TEMPORAL_UNAVAILABLE: {
    when: 'The Temporal server does not answer.',
    remedy: 'Check its address; Gyre keeps trying.',
    ...unavailable,
  },
  TEMPORAL_UNUSABLE: {
    when: 'The Temporal server answers, but not as it is set: TLS, login, namespace, search attributes, version.',
    remedy: 'Mend the setting that the message names; see docs/temporal.md.',
    ...unavailable,
    retryable: false,
  },

  DATASET_NOT_FOUND: {
    when: 'No dataset has this name, or it has no such version.',
    remedy: 'List them with `gyre dataset list`.',
    ...missing,
  },
  DATASET_FORMAT_UNKNOWN: {
    when: 'A newer version of Gyre made the version of the dataset.',
    remedy: 'Use that version of Gyre, or a newer one.',
    ...conflict,
  },
  DATASET_TAG_TAKEN: {
    when: 'A tag of the dataset points to another version already.',
    remedy: 'Choose another name, or move the tag with `--move`.',
    ...conflict,
  },
  DATASET_MERGE_CONFLICTS: {
    when: 'Two versions to merge disagree about an image, and nothing settles it.',
    remedy: 'Decide each conflict on the page, or merge with `--policy`.',
    ...conflict,
  },
  DATASET_EMPTY: {
    when: 'A source holds no image that can be read.',
    remedy: 'Point to a folder with images.',
    ...user,
  },
  DATASET_SOURCE_NOT_FOUND: {
    when: 'The folder, archive or prefix to import does not exist.',
    remedy: 'Check the path.',
    ...missing,
  },
  DATASET_SOURCE_UNREADABLE: {
    when: 'What to import cannot be read to its end, or is not in the format that was named.',
    remedy: 'Give a folder, or a whole .zip, .tar or .tar.gz file; name the format with `--format`.',
    ...user,
  },
  ANNOTATIONS_UNREADABLE: {
    when: 'A file of annotations is none of Label Studio (JSON) or CVAT (XML for images), or is not whole.',
    remedy: 'Export it again: from Label Studio as JSON, from CVAT as "CVAT for images 1.1".',
    ...user,
  },
  EXPORT_TARGET_IN_USE: {
    when: 'The target of an export holds other files, or an export of another version or format.',
    remedy: 'Name a folder that is new or empty, or a .tar file that does not exist.',
    ...conflict,
  },
  HEALTH_NOT_CHECKED: {
    when: 'No check of the health of this version was made.',
    remedy: 'Make one with `gyre dataset health`.',
    ...missing,
  },
  DATASET_NOT_MAPPED: {
    when: 'Nobody has indexed the similar images of this version, so it has no map.',
    remedy: 'Run `gyre pipeline run dataset-map --param dataset=NAME`.',
    ...missing,
  },
  DATASET_ONE_CLASS: {
    when: 'Fewer than two classes are known, so there is nothing to tell apart.',
    remedy: 'Give at least two classes.',
    ...user,
  },
  DATASET_HELD: {
    when: 'A hold forbids to delete an image of the dataset.',
    remedy: 'See `gyre dataset hold NAME`; release it if it may be.',
    ...conflict,
  },
  GC_RUNNING: {
    when: 'Another garbage collection is at work, or was killed less than ten minutes ago.',
    remedy: 'Wait ten minutes at most and start it again.',
    ...conflict,
  },
  HOLD_NOT_FOUND: {
    when: 'The dataset has no hold of this name.',
    remedy: 'List them with `gyre dataset hold NAME`.',
    ...missing,
  },
  IMAGE_DELETED: {
    when: 'A version names an image that was deleted everywhere.',
    remedy: 'Use the newest version of the dataset, which is without it.',
    ...missing,
    httpStatus: 410,
  },
  IMAGE_NOT_FOUND: {
    when: 'No version of any dataset has an image with this digest.',
    remedy: 'Give the whole digest, as `gyre dataset query` shows it.',
    ...missing,
  },
  CATALOG_BUILDING: {
    when: 'The catalog of a large version is being made, which takes a minute or two for ten million images.',
    remedy: 'Wait a moment; Gyre keeps at it.',
    ...unavailable,
  },
  QUERY_TOO_SLOW: {
    when: 'A question to the images of a version took longer than half a minute.',
    remedy: 'Ask for less at once: fewer patterns and less arithmetic.',
    ...user,
  },
  SELECTION_EMPTY: {
    when: 'No image of the version fits the condition by which a step takes its images.',
    remedy: 'Widen the condition.',
    ...failed,
  },
  VIEW_NOT_FOUND: {
    when: 'The dataset has no view of this name.',
    remedy: 'List them with `gyre dataset views NAME`.',
    ...missing,
  },
  IMAGE_UNREADABLE: {
    when: 'The bytes are not an image that Gyre decodes.',
    remedy: 'Send JPEG, PNG, WebP, TIFF or GIF.',
    ...user,
  },
  IMAGE_TOO_LARGE: {
    when: 'An image has more than 100 megapixels.',
    remedy: 'Scale it down.',
    ...user,
    httpStatus: 413,
  },

  CLUSTERING_TOO_FEW_IMAGES: {
    when: 'More clusters are asked for than there are images.',
    remedy: 'Lower k or add images.',
    ...user,
  },
  EMBEDDER_INVALID: {
    when: 'An embedder is not a usable ONNX file.',
    remedy: 'Give a model from uint8 [N, H, W, 3] to float32 [N, d].',
    ...user,
  },
  EMBEDDER_TOO_FEW_IMAGES: {
    when: 'A version has fewer training images than an embedder can be trained on.',
    remedy: 'Add images, or use a fitted embedder.',
    ...failed,
  },
  SESSION_NOT_FOUND: {
    when: 'No labelling session has this id.',
    remedy: 'List them with `gyre annotate list`.',
    ...missing,
  },
  SESSION_CLOSED: {
    when: 'The labelling session has ended; its answers are kept.',
    remedy: 'Start another run to label more.',
    ...conflict,
  },
  SESSION_HOST_UNAVAILABLE: {
    when: 'The process that hosts the labelling session is being restarted.',
    remedy: 'Wait a moment; nothing is lost.',
    ...unavailable,
  },
  SESSION_TOO_LARGE: {
    when: 'A labelling session would need more memory than there is for it.',
    remedy: 'Label a part of the images first, or host the session where there is more memory.',
    ...user,
  },
  SCREEN_INVALID: { when: 'An answer does not fit the screen it answers.', remedy: 'Reload the page.', ...user },
  CERTIFICATE_NOT_FOUND: {
    when: 'No certificate has this id, and no session or dataset of this name has one.',
    remedy: 'List them with `gyre annotate certificates`.',
    ...missing,
  },
  CERTIFICATE_REQUIRED: {
    when: 'A training wants certified labels, and no certificate promises as much of this version.',
    remedy: 'Label until they are certified, or lower requireCertificate.',
    ...failed,
  },
  CERTIFICATE_INVALID: {
    when: 'A certificate does not agree with the labels, rounds and answers in the store, or with its signature.',
    remedy: 'See what does not agree with `gyre annotate verify CERT`; restore the store from a backup.',
    ...failed,
  },
  SIGNING_KEY_UNUSABLE: {
    when: 'The key that certificates are signed with is no Ed25519 key in PEM.',
    remedy: 'Make one with `openssl genpkey -algorithm ed25519`.',
    ...user,
  },
  TOO_FEW_LABELS: {
    when: 'A step needs more labelled images than the version has.',
    remedy: 'Label more images first.',
    ...failed,
  },

  CLUSTER_IMAGE_REFUSED: {
    when: 'An image could not be loaded into the cluster of `gyre cluster up`.',
    remedy: 'Read the words of the tool in the message; build the image again.',
    ...failed,
  },
  CLUSTER_REFUSED: {
    when: 'The cluster lacks something that Gyre needs: a namespace, a permission, a newer version, a right clock.',
    remedy: 'Do as the message says; `gyre doctor --cluster` looks again.',
    ...unavailable,
    retryable: false,
  },
  CLUSTER_START_FAILED: {
    when: 'A cluster to test on did not start.',
    remedy: 'Read the words of the tool in the message, and the logs that it names.',
    ...unavailable,
    retryable: false,
  },
  CLUSTER_STOP_FAILED: {
    when: 'Something of a cluster to test on could not be removed.',
    remedy: 'End what still uses it, then repeat `gyre cluster down`.',
    ...failed,
  },
  CLUSTER_TOOL_MISSING: {
    when: 'A program that a cluster to test on needs is not installed.',
    remedy: 'Install what the message names.',
    ...unavailable,
    retryable: false,
  },
  CLUSTER_UNAVAILABLE: {
    when: 'No Kubernetes cluster is configured, or the one that is does not answer.',
    remedy: 'Check the kubeconfig and its context; Gyre keeps trying.',
    ...unavailable,
  },
  CLUSTER_UNSUPPORTED: {
    when: 'This machine, or this kind of cluster, cannot do what was asked.',
    remedy: 'Do as the message says, or use another cluster with --use-current-context.',
    ...unavailable,
    retryable: false,
  },

  JOB_CONFLICT: { when: 'A job of the same name has another specification.', remedy: 'Use another name.', ...conflict },
  JOB_FAILED: {
    when: 'The job of a step ended with an error, or can never run: an image that does not exist, too little memory.',
    remedy: 'Do as its message says; `gyre run resume`.',
    ...failed,
  },
  JOB_INTERRUPTED: {
    when: 'The job of a step was ended from outside: an eviction, a signal, a lost node.',
    remedy: 'Nothing: Gyre starts it again.',
    ...unavailable,
  },
  JOB_NOT_FOUND: { when: 'No job has this name.', remedy: 'Start the step again.', ...missing },
  TRAINER_MISSING: {
    when: 'There is no Python with torch, numpy and onnx, or no image with a trainer.',
    remedy: 'Make an environment with `gyre trainer install`, or set GYRE_TRAINER_PYTHON or GYRE_IMAGE_TRAINER.',
    ...failed,
  },
  MODEL_NOT_FOUND: {
    when: 'No model has this name, version or alias.',
    remedy: 'List them with `gyre model list`.',
    ...missing,
  },
  MODEL_REFUSED: {
    when: 'A model does not reproduce its golden outputs or has a wrong signature.',
    remedy: 'Train or export it again.',
    ...failed,
  },
  ALGORITHM_FAILED: {
    when: 'An algorithm threw, or returned something its output schema refuses.',
    remedy: 'Mend its `predict` as the message says, then deploy it again.',
    ...failed,
    httpStatus: 500,
  },
  ALGORITHM_INVALID: {
    when: 'An algorithm file does not define a usable algorithm.',
    remedy: 'Mend the definition as the message says.',
    ...user,
  },

  ENDPOINT_CONFLICT: {
    when: 'A revision of this number serves another model or other settings.',
    remedy: 'Deploy again; it takes the next number.',
    ...conflict,
  },
  ENDPOINT_NOT_FOUND: {
    when: 'No endpoint has this name.',
    remedy: 'List them with `gyre endpoint list`.',
    ...missing,
  },
  ENDPOINT_NOT_READY: {
    when: 'A revision did not become ready in time.',
    remedy: 'Read the log of its replica.',
    ...failed,
    httpStatus: 503,
  },
  ENDPOINT_OVERLOADED: {
    when: 'The queue of the endpoint is full.',
    remedy: 'Try again after the time in Retry-After, or add replicas.',
    ...unavailable,
  },
  ENDPOINT_DISAGREES: {
    when: 'The live endpoint gives other answers than the evaluation.',
    remedy: 'Do not use it; report it with the run id.',
    ...failed,
  },
  GATEWAY_UNAVAILABLE: {
    when: 'The gateway that carries requests to endpoints does not answer.',
    remedy: 'Start the stack with `gyre dev`; Gyre keeps trying.',
    ...unavailable,
  },

  BATCH_NOT_FINISHED: {
    when: 'The batch task has no results yet.',
    remedy: 'Wait for its run, or resume it.',
    ...conflict,
  },
  BATCH_NOT_FOUND: { when: 'No batch task has this id.', remedy: 'List them with `gyre batch list`.', ...missing },
  APPROVAL_LINK_INVALID: {
    when: 'A one-time link of an approval is unknown, used or expired, or its person may not log in any more.',
    remedy: 'Ask for another one: `gyre run approve RUN STEP --link PERSON`.',
    ...missing,
  },
  APPROVAL_REFUSED: {
    when: 'A person refused the approval.',
    remedy: 'See the reason in the step; start a new run.',
    ...failed,
  },
  APPROVAL_UNANSWERED: {
    when: 'Too few people answered an approval before its deadline.',
    remedy: 'Ask them; `gyre run resume` asks again.',
    ...failed,
  },
  CERTIFICATE_UNUSABLE: {
    when: 'A certificate or key of the server cannot be used: missing, expired, not of one pair, for another name.',
    remedy: 'Give a valid pair with --tls-cert and --tls-key.',
    ...user,
  },
  CROSS_SITE_REFUSED: {
    when: 'An HTTP call came from another site, or under a host name that is not ours.',
    remedy: 'Open the page under its own address; scripts send a bearer token.',
    ...user,
    httpStatus: 403,
  },
  NOTIFICATION_FAILED: {
    when: 'A message about a run could not be delivered; the run itself goes on.',
    remedy: 'See GYRE_NOTIFY_WEBHOOK and GYRE_SMTP_URL.',
    ...unavailable,
  },
  ROUTE_NOT_FOUND: {
    when: 'The HTTP API has nothing at this address.',
    remedy: 'See /api/openapi.json.',
    ...missing,
  },
  TRIGGER_NOT_FOUND: {
    when: 'No pipeline has a trigger of this name.',
    remedy: 'List them with `gyre pipeline trigger list`.',
    ...missing,
  },
  WEBHOOK_REFUSED: {
    when: 'A webhook is not signed with its secret, or was signed more than five minutes ago.',
    remedy: 'Sign it as docs/people-and-triggers.md shows; `gyre pipeline trigger secret` gives a new secret.',
    ...user,
    httpStatus: 401,
  },
  TOO_MANY_REQUESTS: {
    when: 'One caller made more HTTP calls in a minute than are allowed.',
    remedy: 'Wait for the time in Retry-After.',
    ...unavailable,
    httpStatus: 429,
  },
  TOKEN_NOT_FOUND: {
    when: 'A person has no token with this id that is good now.',
    remedy: 'List them with `gyre user tokens NAME`.',
    ...missing,
  },
  UNAUTHENTICATED: {
    when: 'The call carries no valid login.',
    remedy: 'Open the one-time link that `gyre dev` or `gyre user add` printed.',
    ...user,
    httpStatus: 401,
  },
  USER_NOT_FOUND: { when: 'Nobody has this name.', remedy: 'Add them with `gyre user add`.', ...missing },
  FORBIDDEN: {
    when: 'The role of the caller does not allow the call.',
    remedy: 'Ask an owner for the role.',
    ...user,
    httpStatus: 403,
  },
  UPLOAD_TOO_LARGE: {
    when: 'A body or an uploaded file is larger than allowed.',
    remedy: 'Send less at once, or import a folder as a dataset.',
    ...user,
    httpStatus: 413,
  },
} as const satisfies Record<string, ErrorFacts>

export type ErrorCode = keyof typeof CATALOGUE
