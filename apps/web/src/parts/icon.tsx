/** The few pictures that the pages need, as strokes of the current colour on a grid of 16. */

const PATHS = {
  home: 'M2.5 7.5 8 3l5.5 4.5M4 6.5V13h8V6.5',
  datasets: 'M2.5 4.5h8v8h-8zM5.5 4.5v-2h8v8h-3',
  labelling: 'M2.5 8.5v-6h6l5 5-6 6zM5.3 5.3h.01',
  runs: 'M4 4.5h3.5v7H11M2.5 3h1.5v3H2.5zM11 10h2.5v3H11zM7.5 4.5H11M11 3h2.5v3H11z',
  models: 'M8 2.5 13 5.3v5.4L8 13.5 3 10.7V5.3zM3 5.3 8 8l5-2.7M8 8v5.5',
  endpoints: 'M8 10.5v3M4.8 6.8a4.5 4.5 0 0 1 6.4 0M2.6 4.6a7.6 7.6 0 0 1 10.8 0M8 9.2h.01',
  tasks: 'M2.5 4h2v2h-2zM2.5 10h2v2h-2zM7 5h6.5M7 11h6.5',
  settings: 'M2.5 5h5M10.5 5h3M9 3.2v3.6M2.5 11h3M8.5 11h5M7 9.2v3.6',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2',
  running: 'M8 2.5a5.5 5.5 0 1 1-5.2 3.7',
  completed: 'M3 8.5 6.5 12 13 4.5',
  failed: 'M4 4l8 8M12 4l-8 8',
  waiting: 'M5.5 3.5v9M10.5 3.5v9',
  queued: 'M4 8h.01M8 8h.01M12 8h.01',
  cancelled: 'M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM4.2 4.2l7.6 7.6',
  skipped: 'M3 8h10',
  attention: 'M8 2.8 14 13H2zM8 6.8v2.7M8 11.4h.01',
  unsure: 'M5.6 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.2.8-1.2 1.6M8 12.3h.01',
  arrow: 'M3 8h9.5M9 4.5 12.5 8 9 11.5',
  out: 'M6 3H3v10h10v-3M9 2.5h4.5V7M13.5 2.5 7.5 8.5',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}
