/** By which runs are found in the Temporal page and its lists. All are of type Keyword; a development server allows ten. */
export const SEARCH_ATTRIBUTES = ['GyrePipeline', 'GyreDataset', 'GyreModel', 'GyreProject', 'GyreStatus'] as const
