/** Honest measurement of trained models, and the classifier that runs them over many images. */

export { openClassifier, openModelPool, type Classifier, type Verdict } from './classifier.ts'
export { evaluate } from './evaluate.ts'
export type { Report } from './report.ts'
export { wilsonInterval } from './statistics.ts'
