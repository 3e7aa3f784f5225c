/** What waits for people: open questions, their forms, and one-time links that let one person answer one of them. */

export { fieldsOf, readForm, withDefaults, type FormField } from './form.ts'
export { createLink, openLink, spendLink, type Link } from './links.ts'
export {
  closeQuestion,
  isNamed,
  keepQuestion,
  listQuestions,
  readQuestion,
  type ApprovalTerms,
  type Asked,
  type FormSchema,
  type Question,
} from './questions.ts'
