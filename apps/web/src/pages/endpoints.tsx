/** Endpoints: whether they answer, with what, how to call them, and one image to try. */
import { useEffect, useState } from 'react'
import { Link } from 'react-router'
import { segment } from '../api/client.ts'
import { useAction, useEndpoints } from '../api/queries.ts'
import type { EndpointView, Prediction } from '../api/types.ts'
import { DropZone } from '../parts/drop-zone.tsx'
import { percent } from '../parts/format.ts'
import { Bar, Command, Empty, Failure, Loaded, Page } from '../parts/page.tsx'
import { Badge } from '../parts/state.tsx'

export default function Endpoints() {
  return (
    <Page title="Endpoints">
      <Loaded query={useEndpoints()}>
        {(endpoints) =>
          endpoints.length ? (
            endpoints.map((endpoint) => <EndpointCard key={endpoint.name} endpoint={endpoint} />)
          ) : (
            <Empty title="No endpoint yet." command="./gyre demo">
              A run that deploys a model gives it an address here that answers over HTTP.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  )
}

function EndpointCard({ endpoint }: { endpoint: EndpointView }) {
  const shown = endpoint.revisions.filter(({ percent: share, trouble, waiting }) => share > 0 || trouble || waiting)
  return (
    <section className="card" aria-labelledby={`endpoint-${endpoint.name}`}>
      <div className="card-head">
        <h2 id={`endpoint-${endpoint.name}`}>{endpoint.name}</h2>
        <Health endpoint={endpoint} />
      </div>
      <ul className="plain">
        {shown.map(({ revision, model, ready, wanted, percent: share, trouble, waiting }) => (
          <li key={revision}>
            <span>
              revision {revision}: <Link to={`/models/${model.name}`}>{`${model.name} v${model.version}`}</Link>
            </span>
            <span className="muted">
              {share} % of the requests, {ready} of {wanted} replicas ready
            </span>
            {trouble ? <span className="bad">{trouble}</span> : null}
            {waiting ? <span className="attention">waits: {waiting}</span> : null}
          </li>
        ))}
      </ul>
      {endpoint.url ? (
        <Command
          text={`curl -H 'content-type: image/jpeg' --data-binary @IMAGE.jpg ${endpoint.url}/v2/models/${endpoint.name}/infer`}
        />
      ) : null}
      <TryIt endpoint={endpoint.name} />
    </section>
  )
}

function Health({ endpoint }: { endpoint: EndpointView }) {
  const serving = endpoint.revisions.filter((revision) => revision.percent > 0)
  if (serving.some(({ trouble }) => trouble)) return <Badge tone="bad" icon="failed" word="in trouble" />
  if (serving.some(({ waiting, ready }) => waiting && ready === 0))
    return <Badge tone="attention" icon="waiting" word="waits for a place to run" />
  if (!serving.length) return <Badge tone="quiet" icon="skipped" word="no traffic" />
  if (serving.some(({ ready }) => ready === 0)) return <Badge tone="attention" icon="waiting" word="starting" />
  if (serving.some(({ ready, wanted }) => ready < wanted))
    return <Badge tone="attention" icon="attention" word="fewer replicas than wanted" />
  return <Badge tone="good" icon="completed" word="ready" />
}

function TryIt({ endpoint }: { endpoint: string }) {
  const [picture, setPicture] = useState<string | null>(null)
  const predict = useAction<readonly Prediction[]>(`/api/endpoints/${segment(endpoint)}/predict`)
  useEffect(() => () => void (picture && URL.revokeObjectURL(picture)), [picture])
  return (
    <div className="try">
      <DropZone
        label="Drop an image to try it, or choose one"
        onFiles={([file]) => {
          if (!file) return
          setPicture(URL.createObjectURL(file))
          predict.mutate(file)
        }}
      />
      {picture ? <img className="try-image" src={picture} alt="The image that was tried" /> : null}
      <div aria-live="polite" className="try-answer">
        {predict.error ? <Failure error={predict.error} /> : null}
        {predict.data?.slice(0, 5).map(({ class: name, score }) => (
          <div key={name} className="score">
            <span>{name}</span>
            <Bar done={score} total={1} label={`Score of ${name}`} />
            <span className="figure">{percent(score)}</span>
          </div>
        ))}
      </div>
    </div>
  )
}
