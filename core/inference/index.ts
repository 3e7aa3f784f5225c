/** Neural networks: the session port, its ONNX Runtime adapter's types, and the writer of ONNX graphs. */

export type { InferenceSession, OpenSession, Tensor, TensorSignature, TensorType } from './session.ts'
