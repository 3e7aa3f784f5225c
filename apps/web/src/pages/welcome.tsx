import { Link } from 'react-router'
import { Empty, Page } from '../parts/page.tsx'

/** Where a one-time link leads that was spent before, in a browser that is logged in already. */
export default function Welcome() {
  return (
    <Page title="Already logged in">
      <Empty title="This link was used before. You are logged in, so it is not needed.">
        <Link to="/">Go home</Link>
      </Empty>
    </Page>
  )
}
