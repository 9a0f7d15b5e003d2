export { type DiagnoseOptions, diagnose } from './doctor/diagnose.ts'
export type { Check, Diagnosis, Outcome, Step } from './doctor/diagnosis.ts'
