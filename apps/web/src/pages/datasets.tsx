import { useDatasets } from '../api/queries.ts'
import { count, percent, short } from '../parts/format.ts'
import { Bar, Empty, Loaded, Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

export default function Datasets() {
  return (
    <Page title="Datasets">
      <Loaded query={useDatasets()}>
        {(datasets) =>
          datasets.length ? (
            <Table
              label="Datasets"
              rows={datasets}
              keyOf={({ name }) => name}
              to={({ name }) => `/datasets/${name}`}
              columns={[
                { title: 'Dataset', cell: ({ name }) => <span className="id">{name}</span> },
                { title: 'Images', cell: ({ images }) => count(images), figures: true },
                {
                  title: 'Labelled',
                  cell: ({ name, images, labelled }) => (
                    <span className="bar-cell">
                      <Bar done={labelled} total={images} label={`Labelled images of ${name}`} />
                      {images ? percent(labelled / images, 0) : '–'}
                    </span>
                  ),
                  figures: true,
                },
                { title: 'Classes', cell: ({ classes }) => count(classes), figures: true, minor: true },
                { title: 'Version', cell: ({ version }) => <code>{short(version)}</code>, minor: true },
              ]}
            />
          ) : (
            <Empty title="No dataset yet." command="gyre dataset import NAME FOLDER">
              A dataset is a set of images with their labels. Each import makes a new version of it; older ones stay as
              they were.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  )
}
