/** Neural networks: the session port, its ONNX Runtime adapter, the writer of ONNX graphs, and linear algebra on both. */

export type { InferenceSession, OpenSession, Tensor, TensorSignature, TensorType } from './session.ts'
export { openOnnxSession } from './onnx.ts'
export { fakeSession, type FakeModel } from './fake.ts'
export { mapBatches, openSessionPool, type SessionPool, type Tensors } from './session-pool.ts'
export { OnnxGraph, joinGraphs } from './graph.ts'
export {
  breathe,
  columnMeans,
  covarianceOf,
  evenlySpaced,
  gram,
  inverseCholesky,
  matMul,
  matMulTransposed,
  matrix,
  pca,
  product,
  project,
  rowsOf,
  selectRows,
  solveWith,
  symmetricEigen,
  type Matrix,
  type Matrix64,
  type Pca,
} from './linear-algebra.ts'
export { readMatrixFile } from './matrix-file.ts'
export { DEFAULT_LAMBDAS, oneHot, predictRidge, ridge, type RidgeFit, type RidgeOptions } from './ridge.ts'
