import { Modal } from '@mantine/core'

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['1 … 9 0, letters', 'this is the class of every image that is not marked; go on'],
  ['Enter, Space', 'the proposed class is right; go on'],
  ['click, X, d 4', 'mark or unmark a misfit: by mouse, in focus, by row and column'],
  ['arrows', 'move the focus'],
  ['Shift + class', 'the image in focus is a misfit of that class'],
  ['G', 'the image in focus is a misfit of the class in second place'],
  ['N', 'name the image in focus by typing its class'],
  ['U', 'the image in focus: do not know'],
  ['B', 'the image in focus: broken'],
  ['/', 'find a class by typing'],
  ['S', 'skip the screen: no image of it gets a label'],
  ['Backspace, Ctrl Z', 'undo: first marks, then answers, as far back as you like'],
  ['Z, held', 'see the image in focus larger'],
]

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Modal opened={open} onClose={onClose} title="Keys" size="lg">
      <dl className="key-list">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}
