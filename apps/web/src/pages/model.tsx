/** One model: its versions with their honest accuracy, and which of them is the champion. */
import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import { useParams } from 'react-router'
import { useAction, useEndpoints, useMay, useModel } from '../api/queries.ts'
import type { ModelDetail, ModelVersion } from '../api/types.ts'
import { counted, estimate, moment, short } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Failure, Lineage, Loaded, Page, Section } from '../parts/page.tsx'

export default function Model() {
  const { name = '' } = useParams()
  return <Loaded query={useModel(name)}>{(model) => <ModelView model={model} />}</Loaded>
}

function ModelView({ model }: { model: ModelDetail }) {
  const may = useMay('publish')
  const [chosen, setChosen] = useState<ModelVersion | null>(null)
  const champion = model.aliases.find(({ alias }) => alias === 'champion')?.version
  return (
    <Page kind="model" title={model.name} lineage={champion ? `champion v${champion}` : 'no champion yet'}>
      <Section title="Versions">
        <ul className="versions">
          {model.versions.map((version) => (
            <li key={version.version}>
              <div className="version-head">
                <h3>v{version.version}</h3>
                {model.aliases
                  .filter((alias) => alias.version === version.version)
                  .map(({ alias }) => (
                    <span className="tag" key={alias}>
                      {alias}
                    </span>
                  ))}
                {may && version.version !== champion ? (
                  <Button size="compact-sm" variant="default" onClick={() => setChosen(version)}>
                    Make v{version.version} champion
                  </Button>
                ) : null}
              </div>
              <p className="version-accuracy">
                {version.accuracy === null ? 'not evaluated' : estimate(version.accuracy, version.interval)}
                <span className="muted"> on held-out images that people saw</span>
              </p>
              <p className="lineage">
                {version.trainer ? `${version.trainer}, ` : ''}
                {counted(version.classes.length, 'class').replace('classs', 'classes')}
                {version.registeredAt ? `, ${moment(version.registeredAt)}` : ''}, <code>{short(version.digest)}</code>
                <br />
                <Lineage
                  links={[
                    ...(version.dataset
                      ? [['from dataset', version.dataset.name, `/datasets/${version.dataset.name}`] as const]
                      : []),
                    ...(version.run ? [['made by run', version.run, `/runs/${version.run}`] as const] : []),
                  ]}
                />
                {version.report ? (
                  <>
                    {' · '}
                    <a href={`/api/reports/${version.report}`} target="_blank" rel="noreferrer">
                      evaluation report <Icon name="out" size={13} />
                    </a>
                  </>
                ) : null}
              </p>
            </li>
          ))}
        </ul>
      </Section>
      {chosen ? <Promotion model={model} version={chosen} onClose={() => setChosen(null)} /> : null}
    </Page>
  )
}

/** Consequences before confirmation. */
function Promotion({ model, version, onClose }: { model: ModelDetail; version: ModelVersion; onClose: () => void }) {
  const endpoints = useEndpoints().data ?? []
  const using = endpoints.filter(({ revisions }) => revisions.some((revision) => revision.model.name === model.name))
  const move = useAction(`/api/models/${model.name}/aliases`)
  return (
    <Modal opened onClose={onClose} title={`Make v${version.version} champion`}>
      <p>
        New runs are measured against the champion, and new tasks use it.{' '}
        {using.length
          ? `${counted(using.length, 'endpoint')} of this model (${using.map(({ name }) => name).join(', ')}) keep what they serve until the next deployment.`
          : 'No endpoint serves this model.'}
      </p>
      {move.error ? <Failure error={move.error} /> : null}
      <div className="buttons">
        <Button
          loading={move.isPending}
          onClick={() => move.mutate({ alias: 'champion', version: version.version }, { onSuccess: onClose })}
        >
          Make v{version.version} champion
        </Button>
        <Button variant="default" onClick={onClose}>
          Keep it as it is
        </Button>
      </div>
    </Modal>
  )
}
