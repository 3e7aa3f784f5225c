/** Built-in steps that look after the store: garbage collection, deletion of one image, proof that a dataset is whole. */

import { z } from 'zod'
import { defineBuiltIn } from './define.ts'
import * as a from './artifacts.ts'

const amount = z.object({ objects: z.int(), sizeBytes: z.int() })

/** Removes what nothing names any more. A dry run looks and tells. */
export const collectGarbage = defineBuiltIn({
  name: 'collect-garbage',
  input: z.object({ dryRun: z.boolean().default(false).describe('Only look and tell') }),
  output: z.object({
    dryRun: z.boolean(),
    blobs: amount,
    named: amount,
    waiting: amount,
    condemned: amount,
    removed: amount,
    rescued: amount,
    versions: z.object({
      waiting: z.int(),
      trashed: z.int(),
      removed: z.int(),
      rescued: z.int(),
      heldAloneBytes: z.int(),
    }),
    waitsFor: z.string().nullable(),
  }),
  policy: { queue: 'cpu', timeout: '24h', cache: false },
})

/** Deletes one image everywhere, after somebody who may do so asked for it. */
export const deleteImage = defineBuiltIn({
  name: 'delete-image',
  input: z.object({ image: a.sha256 }),
  output: z.object({
    image: a.sha256,
    datasets: z.array(z.object({ name: z.string(), versions: z.int(), refs: z.array(z.string()) })),
    packs: z.int(),
    pixels: z.int(),
    vectors: z.int(),
    pages: z.int(),
    copies: z.int(),
    uris: z.array(z.string()),
    models: z.array(z.string()),
    endpoints: z.array(z.string()),
  }),
  policy: { queue: 'cpu', timeout: '24h', cache: false },
})

/** Reads what a version is made of, and says what is missing, damaged, or against the rules. */
export const verifyDataset = defineBuiltIn({
  name: 'verify-dataset',
  input: z.object({
    version: a.datasetVersion,
    everyImage: z.boolean().default(false).describe('Read every image, not only tables and packs'),
  }),
  output: z.object({
    version: a.datasetVersion,
    tables: z.int(),
    packs: z.int(),
    imagesRead: z.int(),
    groups: z.int().describe('Of near duplicates; each lies on one side of the split'),
    /** How many there are, and the first hundred in words. */
    problems: z.object({ count: z.int(), first: z.array(z.string()) }),
  }),
  policy: { queue: 'cpu', timeout: '24h', cache: false },
})
