/**
 * The port to a neural-network runtime. Runs block the calling thread, so sessions are only ever opened in a worker
 * thread or a child process, never on a thread that answers HTTP or heartbeats.
 */

export type TensorType = 'uint8' | 'float32' | 'float64' | 'int64' | 'int32'

export interface Tensor {
  readonly type: TensorType
  /** Row-major. */
  readonly data: Uint8Array | Float32Array | Float64Array | BigInt64Array | Int32Array
  readonly dims: readonly number[]
}

export interface TensorSignature {
  readonly name: string
  readonly type: TensorType
  /** −1 where the dimension is free. */
  readonly dims: readonly number[]
}

export interface InferenceSession {
  readonly inputs: readonly TensorSignature[]
  readonly outputs: readonly TensorSignature[]
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>
  release(): Promise<void>
}

/** Opens a model. One intra-op thread, spinning off, unless told otherwise. */
export type OpenSession = (model: Uint8Array, options?: { intraOpThreads?: number }) => Promise<InferenceSession>
