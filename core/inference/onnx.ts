/** ONNX Runtime behind the session port. The library is loaded with the first session, so that importing costs nothing. */

import type { InferenceSession as OrtSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { PlatformError } from '#core/errors'
import type { InferenceSession, OpenSession, Tensor, TensorSignature, TensorType } from './session.ts'

const TYPES: readonly string[] = ['uint8', 'float32', 'float64', 'int64', 'int32'] satisfies TensorType[]

/**
 * @param model - an ONNX file, whole.
 * @throws {PlatformError} `INVALID_INPUT` when the bytes are no model that ONNX Runtime loads.
 */
export const openOnnxSession: OpenSession = async (model, { intraOpThreads = 1 } = {}) => {
  const ort = await import('onnxruntime-node')
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // The arena grows to the largest batch and never shrinks; without it memory stays flat at the same speed.
    enableCpuMemArena: false,
    enableMemPattern: false,
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  }).catch((cause: unknown) => {
    throw new PlatformError('INVALID_INPUT', `not a usable ONNX model: ${firstLine(cause)}`, {}, { cause })
  })
  return wrap(session, ort.Tensor)
}

function wrap(session: OrtSession, TensorClass: typeof OrtTensor): InferenceSession {
  return {
    inputs: session.inputMetadata.map(signature),
    outputs: session.outputMetadata.map(signature),
    async run(inputs) {
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, t]) => [name, new TensorClass(t.type, unshared(t) as never, t.dims)]),
      )
      const results = await session.run(feeds).catch((cause: unknown) => {
        throw new PlatformError('INVALID_INPUT', `the model refused its input: ${firstLine(cause)}`, {}, { cause })
      })
      return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, fromOrt(t)]))
    },
    release: () => session.release(),
  }
}

/** The runtime does not read shared memory. */
function unshared({ data }: Tensor): Tensor['data'] {
  return data.buffer instanceof SharedArrayBuffer ? data.slice() : data
}

function fromOrt(tensor: OrtTensor): Tensor {
  return { type: knownType(tensor.type), data: tensor.data as Tensor['data'], dims: tensor.dims }
}

function signature(meta: OrtSession.ValueMetadata): TensorSignature {
  if (!meta.isTensor) throw new PlatformError('INVALID_INPUT', `the model's "${meta.name}" is not a tensor`)
  return {
    name: meta.name,
    type: knownType(meta.type),
    dims: meta.shape.map((d) => (typeof d === 'number' && d >= 0 ? d : -1)),
  }
}

function knownType(type: string): TensorType {
  if (!TYPES.includes(type))
    throw new PlatformError('INVALID_INPUT', `tensors of type ${type} are not supported; use ${TYPES.join(', ')}`)
  return type as TensorType
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? ''
}
