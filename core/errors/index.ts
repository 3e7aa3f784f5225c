/**
 * One error class for everything a user can meet. The code says what went wrong, the catalogue says whether
 * trying again can help and which exit code or HTTP status it maps to, the message names the thing, the value,
 * the bound and the remedy. The README's error catalogue is generated from this table and checked by a test.
 */

export { CATALOGUE, type ErrorCode, type ErrorFacts } from './catalogue.ts'
export { issueText, type SchemaIssues } from './issue-text.ts'
export { PlatformError, isPlatformError, toPlatformError, type ErrorDetails } from './platform-error.ts'
