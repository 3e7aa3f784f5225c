/** The drawn part of the map: points, names of classes, thumbnails once there is room, and the hand that moves or draws. */
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { thumbnailUrl } from '../api/client.ts'
import { count } from '../parts/format.ts'
import { wordOf } from './columns.ts'
import { useShown } from './frame.tsx'
import {
  fit,
  middles,
  nearest,
  paint,
  radiusFor,
  seenIn,
  simplified,
  toMap,
  toPixel,
  zoomAt,
  type Points,
  type Polygon,
  type Size,
  type View,
} from './map-view.ts'
import { useDigests, type Codes } from './queries.ts'
import type { Value } from './types.ts'

/** Few enough points in the window, and they show as images. */
const PICTURES_AT_MOST = 60
const PICTURE = 44
const REACH = 12
/** The address follows when the hand rests. */
const REST_MS = 250
const COLOURS = 12

/** What is said of nothing is grey; values share colours from the thirteenth on, and their names tell them apart. */
export const colourOf = (value: Value, code: number): string => (value === null ? 'none' : String(code % COLOURS))

interface MapProps {
  readonly points: Points
  readonly codes: Codes | null
  readonly only: number | null
  /** Where the map opens; all of it where left out. */
  readonly view: View | null
  readonly onView: (view: View | null) => void
  readonly lasso: Polygon | null
  /** Points in the lasso. */
  readonly marked: readonly number[] | null
  readonly isLasso: boolean
  readonly onLasso: (polygon: Polygon) => void
  readonly onOpen: (digest: string) => void
}

export function MapCanvas(props: MapProps) {
  const { points, codes, only, onView, lasso, marked, isLasso, onLasso, onOpen } = props
  const { dataset } = useShown()
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  const [view, setView] = useState<View | null>(props.view)
  const [drawn, setDrawn] = useState<readonly number[]>([])
  const [hovered, setHovered] = useState(-1)
  const hold = useRef<{ x: number; y: number; view: View; moved: boolean } | null>(null)
  useSize(box, setSize)
  const whole = useMemo(() => fit(points, size), [points, size])
  const shown = view ?? whole
  usePainted(canvas, { points, codes, only, marked, whole, view: shown, size })

  const latest = useRef(onView)
  latest.current = onView
  useEffect(() => {
    const timer = setTimeout(() => latest.current(view), REST_MS)
    return () => clearTimeout(timer)
  }, [view])

  // React listens to the wheel passively; the page must not scroll while the map zooms.
  useEffect(() => {
    const element = box.current!
    const onWheel = (event: WheelEvent) => {
      event.preventDefault()
      const { left, top } = element.getBoundingClientRect()
      const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.002))
      setView((old) => zoomAt(old ?? whole, size, event.clientX - left, event.clientY - top, factor))
    }
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => element.removeEventListener('wheel', onWheel)
  }, [whole, size])

  const place = (event: PointerEvent): [number, number] => {
    const { left, top } = box.current!.getBoundingClientRect()
    return [event.clientX - left, event.clientY - top]
  }
  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return
    const [x, y] = place(event)
    event.currentTarget.setPointerCapture(event.pointerId)
    hold.current = { x, y, view: shown, moved: false }
    if (isLasso || event.shiftKey) setDrawn(toMap(shown, size, x, y))
  }
  const onPointerMove = (event: PointerEvent) => {
    const [x, y] = place(event)
    const held = hold.current
    if (!held) return setHovered(nearest(points, shown, size, x, y, REACH))
    if (Math.hypot(x - held.x, y - held.y) > 3) held.moved = true
    if (drawn.length) setDrawn((old) => [...old, ...toMap(shown, size, x, y)])
    else if (held.moved) {
      const { scale } = held.view
      setView({ x: held.view.x - (x - held.x) / scale, y: held.view.y - (y - held.y) / scale, scale })
    }
  }
  const onPointerUp = (event: PointerEvent) => {
    const held = hold.current
    hold.current = null
    if (drawn.length) {
      if (drawn.length >= 6) onLasso(simplified(drawn))
      setDrawn([])
    } else if (held && !held.moved) {
      const [x, y] = place(event)
      setHovered(nearest(points, shown, size, x, y, REACH))
      setOpening(nearest(points, shown, size, x, y, REACH))
    }
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = 80 / shown.scale
    const moves: Readonly<Record<string, View>> = {
      ArrowLeft: { ...shown, x: shown.x - step },
      ArrowRight: { ...shown, x: shown.x + step },
      ArrowUp: { ...shown, y: shown.y - step },
      ArrowDown: { ...shown, y: shown.y + step },
      '+': { ...shown, scale: shown.scale * 1.4 },
      '=': { ...shown, scale: shown.scale * 1.4 },
      '-': { ...shown, scale: shown.scale / 1.4 },
    }
    const next = event.key === '0' ? null : moves[event.key]
    if (next === undefined) return
    setView(next)
    event.preventDefault()
  }
  const selectSeen = () => {
    const [left, top] = toMap(shown, size, 0, 0)
    const [right, bottom] = toMap(shown, size, size.width, size.height)
    onLasso(simplified([left, top, right, top, right, bottom, left, bottom]))
  }

  const seen = useMemo(() => seenIn(points, shown, size, PICTURES_AT_MOST + 1), [points, shown, size])
  const pictured = seen.length <= PICTURES_AT_MOST ? seen : []
  const [opening, setOpening] = useState(-1)
  const wanted = useMemo(
    () => [...new Set([...pictured, hovered, opening].filter((point) => point >= 0))].toSorted((a, b) => a - b),
    [pictured, hovered, opening],
  )
  const digests = useDigests(dataset.name, dataset.version, wanted).data
  const digestOf = (point: number): string | undefined => digests?.[wanted.indexOf(point)]
  const opened = opening >= 0 ? digestOf(opening) : undefined
  useEffect(() => {
    if (!opened) return
    setOpening(-1)
    onOpen(opened)
  }, [opened, onOpen])

  const at = (point: number) => toPixel(shown, size, points.xy[point * 2]!, points.xy[point * 2 + 1]!)
  const hoveredDigest = hovered >= 0 && !pictured.length ? digestOf(hovered) : undefined
  return (
    <div className="map-frame">
      <div
        ref={box}
        className="map-box"
        role="application"
        aria-label={`Map of ${count(points.count)} images. Arrows move it, plus and minus zoom, 0 shows all.`}
        tabIndex={0}
        data-lasso={isLasso}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => setHovered(-1)}
        onKeyDown={onKeyDown}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <svg className="map-lasso" aria-hidden="true" width={size.width} height={size.height}>
          {[lasso, drawn.length >= 4 ? drawn : null].map((polygon, index) =>
            polygon ? <polygon key={index} points={cornersOf(polygon, shown, size)} /> : null,
          )}
        </svg>
        {pictured.map((point) => (
          <Picture key={point} dataset={dataset.name} digest={digestOf(point)} at={at(point)} />
        ))}
        {codes && !marked && !pictured.length ? (
          <Names points={points} codes={codes} view={shown} size={size} only={only} />
        ) : null}
        {hoveredDigest ? <Hovered dataset={dataset.name} digest={hoveredDigest} at={at(hovered)} size={size} /> : null}
      </div>
      <div className="map-buttons" role="group" aria-label="Zoom">
        <button type="button" onClick={() => setView(zoomAt(shown, size, size.width / 2, size.height / 2, 1.6))}>
          +<span className="visually-hidden"> nearer</span>
        </button>
        <button type="button" onClick={() => setView(zoomAt(shown, size, size.width / 2, size.height / 2, 1 / 1.6))}>
          −<span className="visually-hidden"> farther</span>
        </button>
        <button type="button" onClick={() => setView(null)}>
          Show all
        </button>
        <button type="button" onClick={selectSeen}>
          Select what is seen
        </button>
      </div>
    </div>
  )
}

function cornersOf(polygon: Polygon, view: View, size: Size): string {
  const corners: string[] = []
  for (let at = 0; at + 1 < polygon.length; at += 2)
    corners.push(toPixel(view, size, polygon[at]!, polygon[at + 1]!).join(','))
  return corners.join(' ')
}

function Picture({
  dataset,
  digest,
  at: [x, y],
}: {
  dataset: string
  digest: string | undefined
  at: [number, number]
}) {
  if (!digest) return null
  return (
    <img
      className="map-picture"
      src={thumbnailUrl(dataset, digest, 96)}
      alt=""
      draggable={false}
      style={{ transform: `translate(${x - PICTURE / 2}px, ${y - PICTURE / 2}px)` }}
    />
  )
}

const HOVERED = 128

/** Beside the point, on the side where there is room. */
function Hovered({
  dataset,
  digest,
  at: [x, y],
  size,
}: {
  dataset: string
  digest: string
  at: [number, number]
  size: Size
}) {
  const left = x + 14 + HOVERED > size.width ? x - 14 - HOVERED : x + 14
  const top = Math.max(4, Math.min(size.height - HOVERED - 4, y - HOVERED / 2))
  return (
    <img
      className="map-hovered"
      src={thumbnailUrl(dataset, digest, 160)}
      alt=""
      style={{ transform: `translate(${left}px, ${top}px)` }}
    />
  )
}

interface NamesProps {
  readonly points: Points
  readonly codes: Codes
  readonly view: View
  readonly size: Size
  readonly only: number | null
}

/** The name of each class in the middle of its points. */
function Names({ points, codes, view, size, only }: NamesProps) {
  const found = useMemo(() => middles(points, codes.codes, codes.values.length), [points, codes])
  return found.map((middle, code) => {
    if (!middle || codes.values[code] === null || (only !== null && only !== code)) return null
    const [x, y] = toPixel(view, size, middle[0], middle[1])
    if (x < 0 || y < 0 || x > size.width || y > size.height) return null
    return (
      <span key={code} className="map-name" aria-hidden="true" style={{ transform: `translate(${x}px, ${y}px)` }}>
        <span>
          <span className="swatch" data-colour={colourOf(codes.values[code]!, code)} />
          {wordOf(codes.column, codes.values[code]!)}
        </span>
      </span>
    )
  })
}

function useSize(box: React.RefObject<HTMLElement | null>, setSize: (change: (old: Size) => Size) => void): void {
  useLayoutEffect(() => {
    const element = box.current!
    const measure = () =>
      setSize((old) => {
        const next = { width: element.clientWidth, height: element.clientHeight }
        return old.width === next.width && old.height === next.height ? old : next
      })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [box, setSize])
}

interface Painted {
  readonly points: Points
  readonly codes: Codes | null
  readonly only: number | null
  readonly marked: readonly number[] | null
  readonly whole: View
  readonly view: View
  readonly size: Size
}

function usePainted(canvas: React.RefObject<HTMLCanvasElement | null>, painted: Painted): void {
  const { points, codes, only, marked, whole, view, size } = painted
  const scheme = useComputedColorScheme('light')
  const marks = useMemo(() => {
    if (!marked) return null
    const flags = new Uint8Array(points.count)
    for (const point of marked) flags[point] = 1
    return flags
  }, [points, marked])
  const colours = useRef<{ scheme: string; palette: Palette } | null>(null)
  useEffect(() => {
    const element = canvas.current!
    const frame = requestAnimationFrame(() => {
      if (!size.width || !size.height) return
      if (colours.current?.scheme !== scheme) colours.current = { scheme, palette: paletteOf(element) }
      const density = Math.min(2, window.devicePixelRatio)
      const fine = { width: Math.round(size.width * density), height: Math.round(size.height * density) }
      if (element.width !== fine.width) element.width = fine.width
      if (element.height !== fine.height) element.height = fine.height
      const context = element.getContext('2d')!
      const image = context.createImageData(fine.width, fine.height)
      // About as many points are seen as the window holds of the whole map.
      const seen = points.count * Math.min(1, (whole.scale / view.scale) ** 2)
      const radius = radiusFor(seen, fine, density)
      const { palette } = colours.current
      paint(new Uint32Array(image.data.buffer), points, { ...view, scale: view.scale * density }, fine, radius, {
        colours: coloursOfCodes(palette, codes),
        codes: codes?.codes ?? null,
        marked: marks,
        quiet: palette.quiet,
        accent: palette.accent,
        only,
      })
      context.putImageData(image, 0, 0)
    })
    return () => cancelAnimationFrame(frame)
  }, [canvas, points, codes, only, marks, whole, view, size, scheme])
}

interface Palette {
  readonly values: Uint32Array
  readonly none: number
  readonly quiet: number
  readonly accent: number
}

function coloursOfCodes({ values, none }: Palette, codes: Codes | null): Uint32Array {
  if (!codes) return values
  return Uint32Array.from(codes.values, (value, code) => (value === null ? none : values[code % COLOURS]!))
}

/** The colours of the tokens, as words of pixels. */
function paletteOf(element: HTMLElement): Palette {
  const probe = element.ownerDocument.createElement('canvas')
  probe.width = probe.height = 1
  const context = probe.getContext('2d', { willReadFrequently: true })!
  const wordOfColour = (token: string): number => {
    element.style.color = `var(${token})`
    context.clearRect(0, 0, 1, 1)
    context.fillStyle = getComputedStyle(element).color
    context.fillRect(0, 0, 1, 1)
    return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0]!
  }
  return {
    values: Uint32Array.from({ length: COLOURS }, (_, at) => wordOfColour(`--map-${at}`)),
    none: wordOfColour('--map-none'),
    quiet: wordOfColour('--map-quiet'),
    accent: wordOfColour('--accent'),
  }
}
