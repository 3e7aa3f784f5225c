import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { trainerInImage, trainerOfThisMachine } from '../../workers/trainer.ts'
import { writeFakePython } from '../support/fake-python.ts'

describe('the Python of a trainer', () => {
  let folder: string
  let venv: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gyre-python-'))
    venv = path.join(folder, 'trainer')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const program = (python: string) => ({ command: [python, '-B', path.resolve('apps/trainer/self_supervised.py')] })
  const installed = async () => {
    await mkdir(path.join(venv, 'bin'), { recursive: true })
    const file = path.join(venv, 'bin', 'python')
    await writeFakePython(file)
    return file
  }

  it('is the one of the environment that was installed', async () => {
    const python = await installed()
    expect(await trainerOfThisMachine('self_supervised.py', { python: '', venv })).toEqual(program(python))
  })

  it('is the one that somebody named, whatever is installed', async () => {
    await installed()
    const python = path.join(folder, 'python')
    await writeFakePython(python)
    expect(await trainerOfThisMachine('self_supervised.py', { python, venv })).toEqual(program(python))
  })

  it('is refused with what it lacks and how to come by it', async () => {
    const python = path.join(folder, 'python')
    await writeFakePython(python, { lacks: 'torch onnx' })
    await expect(trainerOfThisMachine('self_supervised.py', { python, venv })).rejects.toMatchObject({
      code: 'TRAINER_MISSING',
      message: `${python} has no torch, onnx; make an environment with \`gyre trainer install\`, or name a Python that has torch, numpy, onnx with GYRE_TRAINER_PYTHON`,
    })
  })

  it('is refused when it is not there', async () => {
    await expect(trainerOfThisMachine('self_supervised.py', { python: '/no/python', venv })).rejects.toMatchObject({
      code: 'TRAINER_MISSING',
      message: expect.stringMatching(/^\/no\/python cannot be run \(.*ENOENT/) as string,
    })
  })

  it('on a cluster is that of the image, which somebody must have named', async () => {
    expect(await trainerInImage('self_supervised.py', 'r.example/trainer:1')).toEqual({
      image: 'r.example/trainer:1',
      command: ['python', '/trainer/self_supervised.py'],
    })
    await expect(trainerInImage('self_supervised.py', '')).rejects.toMatchObject({ code: 'TRAINER_MISSING' })
  })
})
