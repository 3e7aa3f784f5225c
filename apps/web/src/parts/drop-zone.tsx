import { useId, useState, type DragEvent } from 'react'

/** A place to drop images on, and a button for those who rather choose them. */
export function DropZone({
  label,
  many = false,
  onFiles,
}: {
  label: string
  many?: boolean
  onFiles: (files: File[]) => void
}) {
  const [over, setOver] = useState(false)
  const id = useId()
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    const files = [...event.dataTransfer.files]
    if (files.length) onFiles(many ? files : files.slice(0, 1))
  }
  return (
    <div
      className="drop-zone"
      data-over={over}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <input
        id={id}
        type="file"
        accept="image/*"
        multiple={many}
        className="visually-hidden"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])]
          if (files.length) onFiles(files)
          event.currentTarget.value = ''
        }}
      />
      <label htmlFor={id}>{label}</label>
    </div>
  )
}
