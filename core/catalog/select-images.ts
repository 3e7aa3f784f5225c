/** The step that makes of the images that fit a condition, or a saved view, a version that other steps take. */
import { PlatformError } from '#core/errors'
import { commit } from '#core/datasets'
import type { StepContext } from '#core/execution'
import type { selectImages as definition, StepInput, StepOutput } from '#core/steps'
import { loadSelection } from './selection.ts'
import { readView } from './views.ts'

/**
 * The same version and condition always give the same version. Labels, splits and near duplicates stay as they are; no ref
 * moves, so that the dataset itself stays whole.
 *
 * @throws {PlatformError} `INVALID_INPUT`; `VIEW_NOT_FOUND`; `SELECTION_EMPTY` when no image fits.
 */
export async function selectImages(
  { version, where, view }: StepInput<typeof definition>,
  { store, runId, scratchDir, progress }: StepContext,
): Promise<StepOutput<typeof definition>> {
  if ((where === undefined) === (view === undefined))
    throw new PlatformError(
      'INVALID_INPUT',
      'which images are meant is said by a condition or by a view; give one of them',
    )
  const condition = where ?? (await readView(store, version.dataset, view!)).where
  progress({ done: 0, total: version.images, unit: 'images' })
  const selected = await commit(
    store,
    version,
    async (session) => {
      if ((await loadSelection(session, { where: condition })) === 0)
        throw new PlatformError(
          'SELECTION_EMPTY',
          `none of the ${version.images} images of ${version.dataset} fit ${condition}; widen the condition`,
          { dataset: version.dataset, where: condition },
        )
      await session.run('INSERT INTO gone SELECT digest FROM labels ANTI JOIN chosen USING (digest)')
    },
    { by: runId, note: condition, ref: null, scratchDir },
  )
  progress({ done: version.images, total: version.images, unit: 'images' })
  return { ...selected.version, where: condition }
}
