/** So many random bytes in lower-case hexadecimal. */
export function randomHex(bytes: number): string {
  // Loaded at the first use: importing a storage costs nothing.
  return process.getBuiltinModule('node:crypto').randomBytes(bytes).toString('hex')
}
