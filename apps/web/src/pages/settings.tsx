/** People and how the pages look. */
import { Button, NativeSelect, SegmentedControl, TextInput, useMantineColorScheme } from '@mantine/core'
import { useState } from 'react'
import { useAction, useHealth, useMay, useMe, usePeople } from '../api/queries.ts'
import type { Role } from '../api/types.ts'
import { KeyTable } from '../labelling/help.tsx'
import { useSaveSettings, useSettings } from '../labelling/settings.ts'
import { Command, Facts, Failure, Loaded, Page, Section } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const ROLES: readonly (readonly [Role, string])[] = [
  ['annotator', 'looks and labels'],
  ['viewer', 'looks'],
  ['operator', 'runs, cancels, approves'],
  ['engineer', 'all but people'],
  ['owner', 'all'],
]

export default function Settings() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const me = useMe().data
  const health = useHealth().data
  return (
    <Page title="Settings">
      <Facts
        facts={[
          ['You', me ? `${me.name}, ${me.role}` : ''],
          ['Gyre', health?.version ?? ''],
        ]}
      />
      <Section title="Look">
        <SegmentedControl
          aria-label="Colours"
          value={colorScheme}
          onChange={(value) => setColorScheme(value as typeof colorScheme)}
          data={[
            { value: 'auto', label: 'As the system' },
            { value: 'light', label: 'Light' },
            { value: 'dark', label: 'Dark' },
          ]}
        />
      </Section>
      {useMay('annotate') ? <Keys /> : null}
      {useMay('administer') ? <People /> : null}
    </Page>
  )
}

function Keys() {
  const saving = useSaveSettings()
  return (
    <Section title="Keys of the labelling page">
      <Loaded query={useSettings()}>{(settings) => <KeyTable classes={[]} {...{ settings, saving }} />}</Loaded>
    </Section>
  )
}

function People() {
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('annotator')
  const invite = useAction<{ name: string; link: string }>('/api/users')
  return (
    <Section title="People">
      <Loaded query={usePeople(true)}>
        {(people) => (
          <Table
            label="People"
            rows={people}
            keyOf={(person) => person.name}
            columns={[
              { title: 'Name', cell: (person) => person.name },
              { title: 'Role', cell: (person) => person.role },
            ]}
          />
        )}
      </Loaded>
      <form
        className="inline-form"
        aria-label="Add a person"
        onSubmit={(event) => {
          event.preventDefault()
          invite.mutate({ name, role }, { onSuccess: () => setName('') })
        }}
      >
        <TextInput label="Name" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <NativeSelect
          label="Role"
          value={role}
          onChange={(event) => setRole(event.currentTarget.value as Role)}
          data={ROLES.map(([value, what]) => ({ value, label: `${value}: ${what}` }))}
        />
        <Button type="submit" loading={invite.isPending}>
          Make a link
        </Button>
      </form>
      {invite.error ? <Failure error={invite.error} /> : null}
      {invite.data ? (
        <div className="notice notice-tall" role="status">
          <div>
            <p>Give {invite.data.name} this link. It lets one browser in, once.</p>
            <Command text={invite.data.link} />
          </div>
        </div>
      ) : null}
    </Section>
  )
}
