/** MD5 in base64, by which S3 tells a customer's key that arrived damaged. */
export function keyDigest(key: Uint8Array): string {
  // Loaded at the first use: importing a storage costs nothing.
  return process.getBuiltinModule('node:crypto').createHash('md5').update(key).digest('base64')
}
