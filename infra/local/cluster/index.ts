/** A Kubernetes cluster on this machine to run and try things on: found, made, loaded with images, taken down. */

export {
  clusterDown,
  clusterStatus,
  clusterUp,
  forwardHostPorts,
  loadImages,
  probeCluster,
  type ClusterStatus,
  type ClusterUpOptions,
  type ImageTar,
  type RunningCluster,
} from './cluster.ts'
export type { ClusterKind } from './cluster-folder.ts'
export { kubeFolder } from './kube-binary.ts'
export { loadGyreImages, type GyreImages } from './gyre-images.ts'
