import { loadConfig, loadedStorage } from '../config/configured-storage.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Check, Outcome } from '../doctor/diagnosis.ts'
import { print } from './output.ts'

/** Looks at a configured storage and prints what is found; whether nothing failed. */
export async function doctor(options: {
  readonly config?: string
  readonly storage: string
  readonly json?: boolean
}): Promise<boolean> {
  await loadConfig({ file: options.config })
  // Not `storages[…]`: an alias such as `then` would find no storage, and nobody would be told.
  const storage = loadedStorage(options.storage)
  const onCheck = options.json === true ? printJson : printText
  const { ok, checks, storage: name } = await diagnose(storage, { onCheck })
  const failed = checks.filter(({ outcome }) => outcome === 'failed').length
  const warnings = checks.filter(({ outcome }) => outcome === 'warning').length
  if (options.json === true) printJson({ storage: name, ok, failed, warnings })
  else {
    print('')
    print(`${name}: ${failed} failed, ${warnings} to look at`)
  }
  return ok
}

function printJson(value: object): void {
  print(JSON.stringify(value))
}

const marks: Readonly<Record<Outcome, string>> = {
  ok: 'ok      ',
  warning: 'look at ',
  failed: 'FAILED  ',
  skipped: 'skipped ',
}

function printText({ step, outcome, found, advice }: Check): void {
  print(`${marks[outcome]} ${step.padEnd(18)} ${found}`)
  if (advice !== undefined) print(`${' '.repeat(28)}${advice}`)
}
