import { useModels } from '../api/queries.ts'
import { count, percent } from '../parts/format.ts'
import { Empty, Loaded, Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

export default function Models() {
  return (
    <Page title="Models">
      <Loaded query={useModels()}>
        {(models) =>
          models.length ? (
            <Table
              label="Models"
              rows={models}
              keyOf={({ name }) => name}
              to={({ name }) => `/models/${name}`}
              columns={[
                { title: 'Model', cell: ({ name }) => <span className="id">{name}</span> },
                { title: 'Champion', cell: ({ champion }) => (champion ? `v${champion}` : 'none'), figures: true },
                {
                  title: 'Accuracy of the newest',
                  cell: ({ accuracy }) => (accuracy === null ? '–' : percent(accuracy)),
                  figures: true,
                },
                { title: 'Versions', cell: ({ versions }) => count(versions), figures: true, minor: true },
              ]}
            />
          ) : (
            <Empty title="No model yet." command="gyre pipeline run image-classifier --param source=DIR">
              A run that trains a model registers it here, with what it was made of and how well it does.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  )
}
