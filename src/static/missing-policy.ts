import type { MissingPolicy, StaticFilesConfiguration } from '../config/configuration.ts'
import { compilePattern } from './ignore-patterns.ts'

export type MissingRule = (from: string, name: string, isMap: boolean) => MissingPolicy

/** A missing source map is at most a warning, unless a pattern says so: no page lacks anything. */
export function missingRule(option: NonNullable<StaticFilesConfiguration['missing']>): MissingRule {
  if (typeof option === 'string')
    return (_from, _name, isMap) => (isMap && option === 'error' ? 'warn' : option)
  const rules = Object.entries(option).map(([pattern, policy]) => ({
    pattern: compilePattern(pattern),
    policy,
    general: pattern === '*',
  }))
  return (from, name, isMap) => {
    const rule = rules.find(({ pattern }) => pattern.test(from) || pattern.test(name))
    const policy = rule?.policy ?? 'error'
    return isMap && policy === 'error' && (rule?.general ?? true) ? 'warn' : policy
  }
}
