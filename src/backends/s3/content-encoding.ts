/** Suffixes that stand for an encoding, as Python's `mimetypes` has them: case counts. */
const encodings: Readonly<Record<string, string>> = {
  gz: 'gzip',
  Z: 'compress',
  bz2: 'bzip2',
  xz: 'xz',
  br: 'br',
}

/** Suffixes that are an archive's and an encoding's at once. */
const shortForms: Readonly<Record<string, string>> = {
  tgz: '.tar.gz',
  taz: '.tar.gz',
  tz: '.tar.gz',
  tbz2: '.tar.bz2',
  txz: '.tar.xz',
  svgz: '.svg.gz',
}

/** A name split into what the content type and the content encoding follow from. */
export interface EncodedName {
  readonly name: string
  readonly encoding: string | undefined
}

/** As django-storages does: `.tar.gz` is a `.tar` with `Content-Encoding: gzip`. */
export function encodingFromName(name: string): EncodedName {
  const long = name.replace(
    /\.(t[agbx]z2?|tz|tbz2|txz|svgz)$/,
    (all, suffix: string) => shortForms[suffix] ?? all,
  )
  const match = /^(.*[^/])\.(gz|Z|bz2|xz|br)$/s.exec(long)
  if (match === null) return { name: long, encoding: undefined }
  return { name: match[1] ?? long, encoding: encodings[match[2] ?? ''] }
}

/** The one encoding that is always guessed: browsers show an SVGZ only with its header. */
export function encodingOfSvgz(name: string): EncodedName {
  return /\.svgz$/i.test(name) ? { name, encoding: 'gzip' } : { name, encoding: undefined }
}
