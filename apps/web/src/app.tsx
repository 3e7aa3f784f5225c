import { createBrowserRouter, Link, redirect, useRouteError, type RouteObject } from 'react-router'
import { Shell } from './frame/shell.tsx'
import { Empty, Failure, Page } from './parts/page.tsx'
import { Home } from './pages/home.tsx'

/** Pages other than the first are fetched when they are first opened. */
type Load = () => Promise<{ default: React.ComponentType }>
const lazy = (load: Load) => ({ lazy: async () => ({ Component: (await load()).default }) })
const page = (path: string, load: Load): RouteObject => ({ path, ...lazy(load) })

const dataset: RouteObject = {
  path: 'datasets/:name',
  ...lazy(() => import('./datasets/frame.tsx')),
  children: [
    { index: true, ...lazy(() => import('./datasets/images-page.tsx')) },
    page('map', () => import('./datasets/map-page.tsx')),
    page('similar', () => import('./datasets/similar-page.tsx')),
    page('versions', () => import('./datasets/versions-page.tsx')),
    page('diff', () => import('./datasets/diff-page.tsx')),
    page('merge', () => import('./datasets/merge-page.tsx')),
    page('health', () => import('./datasets/health-page.tsx')),
    page('lineage', () => import('./datasets/lineage-page.tsx')),
  ],
}

function Lost() {
  return (
    <Page title="Nothing here">
      <Empty title="No page has this address.">
        <Link to="/">Go home</Link>
      </Empty>
    </Page>
  )
}

function Broken() {
  return (
    <Page title="This page failed">
      <Failure error={useRouteError()} />
    </Page>
  )
}

export const router = createBrowserRouter([
  {
    element: <Shell />,
    hydrateFallbackElement: <></>,
    children: [
      {
        errorElement: <Broken />,
        children: [
          { index: true, element: <Home /> },
          page('datasets', () => import('./pages/datasets.tsx')),
          dataset,
          page('labelling', () => import('./pages/sessions.tsx')),
          page('labelling/:id', () => import('./labelling/labelling-page.tsx')),
          page('labelling/:id/lead', () => import('./labelling/lead-page.tsx')),
          page('labelling/:id/map', () => import('./labelling/lead-map.tsx')),
          // The short form that the command line prints.
          { path: 'label/:id', element: <></>, loader: ({ params }) => redirect(`/labelling/${params.id}`) },
          page('runs', () => import('./pages/runs.tsx')),
          page('runs/:id', () => import('./pages/run.tsx')),
          page('runs/:id/compare', () => import('./pages/compare.tsx')),
          page('runs/:id/compare/:other', () => import('./pages/compare.tsx')),
          page('models', () => import('./pages/models.tsx')),
          page('models/:name', () => import('./pages/model.tsx')),
          page('endpoints', () => import('./pages/endpoints.tsx')),
          page('tasks', () => import('./pages/tasks.tsx')),
          page('tasks/:id', () => import('./pages/task.tsx')),
          page('settings', () => import('./pages/settings.tsx')),
          page('welcome', () => import('./pages/welcome.tsx')),
          { path: '*', element: <Lost /> },
        ],
      },
    ],
  },
])
