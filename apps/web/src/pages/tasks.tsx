/** Self-service: pick a model, drop images or name a dataset, get results. No code. */
import { Button, NativeSelect, SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { useAction, useBatches, useDatasets, useMay, useModels } from '../api/queries.ts'
import { DropZone } from '../parts/drop-zone.tsx'
import { count, counted, elapsed, size } from '../parts/format.ts'
import { Empty, Failure, Loaded, Page, Section } from '../parts/page.tsx'
import { State } from '../parts/state.tsx'
import { Table } from '../parts/table.tsx'

export default function Tasks() {
  return (
    <Page title="Tasks">
      {useMay('run') ? <NewTask /> : null}
      <Section title="Tasks">
        <Loaded query={useBatches()}>
          {(batches) =>
            batches.length ? (
              <Table
                label="Tasks"
                rows={batches}
                keyOf={({ id }) => id}
                to={({ id }) => `/tasks/${id}`}
                columns={[
                  { title: 'Task', cell: ({ id }) => <span className="id">{id}</span> },
                  { title: 'State', cell: ({ status }) => <State status={status} word={status} /> },
                  { title: 'Model', cell: ({ model }) => model },
                  { title: 'Over', cell: ({ source }) => source, minor: true },
                  {
                    title: 'Images',
                    cell: ({ done, images }) => (images === null ? count(done) : `${count(done)} of ${count(images)}`),
                    figures: true,
                  },
                  {
                    title: 'Took',
                    cell: ({ startedAt, endedAt }) => elapsed(startedAt, endedAt),
                    figures: true,
                    minor: true,
                  },
                ]}
              />
            ) : (
              <Empty title="No task yet." command="gyre batch run MODEL --on FOLDER">
                A task runs a model over many images and gives a table, a gallery and a reason for each image that
                failed.
              </Empty>
            )
          }
        </Loaded>
      </Section>
    </Page>
  )
}

function NewTask() {
  const models = useModels().data ?? []
  const datasets = useDatasets().data ?? []
  const navigate = useNavigate()
  const [model, setModel] = useState('')
  const [from, setFrom] = useState<'images' | 'dataset'>('images')
  const [files, setFiles] = useState<readonly File[]>([])
  const [dataset, setDataset] = useState('')
  const start = useAction<{ id: string }>('/api/batches')
  if (!models.length)
    return (
      <Empty title="There is no model to run yet." command="./gyre demo">
        A run that trains a model registers it; then it can be chosen here.
      </Empty>
    )
  const chosenModel = model || models[0]!.name
  const chosenDataset = dataset || datasets[0]?.name || ''
  const body = () => {
    if (from === 'dataset') return { model: chosenModel, dataset: chosenDataset }
    const form = new FormData()
    form.set('model', chosenModel)
    for (const file of files) form.append('images', file, file.name)
    return form
  }
  const ready = from === 'images' ? files.length > 0 : chosenDataset !== ''
  return (
    <form
      className="card"
      aria-label="New task"
      onSubmit={(event) => {
        event.preventDefault()
        start.mutate(body(), { onSuccess: ({ id }) => void navigate(`/tasks/${id}`) })
      }}
    >
      <NativeSelect
        label="Model"
        value={chosenModel}
        onChange={(event) => setModel(event.currentTarget.value)}
        data={models.map(({ name, champion }) => ({
          value: name,
          label: champion ? `${name} (champion v${champion})` : `${name} (newest)`,
        }))}
      />
      <SegmentedControl
        aria-label="Where the images are"
        value={from}
        onChange={(value) => setFrom(value as 'images' | 'dataset')}
        data={[
          { value: 'images', label: 'Drop images' },
          { value: 'dataset', label: 'A dataset' },
        ]}
      />
      {from === 'images' ? (
        <>
          <DropZone
            label="Drop images here, or choose them"
            many
            onFiles={(more) => setFiles((old) => [...old, ...more])}
          />
          {files.length ? (
            <p className="chosen">
              {counted(files.length, 'image')}, {size(files.reduce((sum, file) => sum + file.size, 0))}{' '}
              <button type="button" className="quiet-button" onClick={() => setFiles([])}>
                Remove all
              </button>
            </p>
          ) : null}
        </>
      ) : (
        <NativeSelect
          label="Dataset"
          value={chosenDataset}
          onChange={(event) => setDataset(event.currentTarget.value)}
          data={datasets.map(({ name, images }) => ({ value: name, label: `${name} (${counted(images, 'image')})` }))}
        />
      )}
      {start.error ? <Failure error={start.error} /> : null}
      <div className="buttons">
        <Button type="submit" disabled={!ready} loading={start.isPending}>
          Run {chosenModel}
          {from === 'images' && files.length ? ` on ${counted(files.length, 'image')}` : ''}
        </Button>
      </div>
    </form>
  )
}
