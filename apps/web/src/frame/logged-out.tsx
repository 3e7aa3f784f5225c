import { Command } from '../parts/page.tsx'

/** What a browser without a login sees: how to get one. */
export function LoggedOut({ spent }: { spent: boolean }) {
  return (
    <main className="logged-out" id="content">
      <h1>Gyre</h1>
      {spent ? (
        <p>This link was used before, or is too old. A link lets one browser in, once.</p>
      ) : (
        <p>This browser is not logged in yet.</p>
      )}
      <p>The person who runs Gyre makes a new link with:</p>
      <Command text="gyre user add NAME --role annotator" />
      <p className="muted">On your own machine, `gyre dev` prints a link when it starts.</p>
    </main>
  )
}
