/** Something about a file that the run went on after. */
export interface StaticWarning {
  readonly file: string
  readonly line?: number | undefined
  /** Goes on after the file's name: what is wrong, and what was done. */
  readonly message: string
  /** Whether the site would lack the file, so that the run must not be completed. */
  readonly failed?: boolean | undefined
}

/** `css/site.css:12: …` */
export function formatWarning({ file, line, message }: StaticWarning): string {
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`
}
