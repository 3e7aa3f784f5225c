/** Neural networks: the session port, its ONNX Runtime adapter, the writer of ONNX graphs, and linear algebra on both. */

export type { InferenceSession, OpenSession, Tensor, TensorSignature, TensorType } from './session.ts'
export { openOnnxSession } from './onnx.ts'
export { fakeSession, type FakeModel } from './fake.ts'
export { mapBatches, mapInOrder, openSessionPool, type SessionPool, type Tensors } from './session-pool.ts'
export { OnnxGraph, joinGraphs } from './graph.ts'
export {
  breathe,
  columnMeans,
  evenlySpaced,
  matrix,
  rowsOf,
  selectRows,
  type Matrix,
  type Matrix64,
  type StopOptions,
} from './matrix.ts'
export { readMatrixFile } from './matrix-file.ts'
export { covarianceOf, gram, matMul, matMulTransposed, product } from './products.ts'
export { inverseCholesky, solveWith } from './cholesky.ts'
export { symmetricEigen } from './eigen.ts'
export { symmetricEigenvalues } from './eigenvalues.ts'
export { leadingEigenvectors, pca, project, type Pca } from './pca.ts'
export {
  oneHot,
  predictRidge,
  ridge,
  ridgeOfMoments,
  type Judges,
  type RidgeFit,
  type RidgeMoments,
  type RidgeOptions,
} from './ridge.ts'
