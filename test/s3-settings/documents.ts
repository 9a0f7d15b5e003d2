import { S3Storage } from '../../src/s3.ts'

/** A storage of an application, as its configuration names it. */
export class Documents extends S3Storage {
  constructor() {
    super({ location: 'documents', customDomain: 'docs.example.com' })
  }
}

/** One that keeps names in lower case, and passes on what the configuration gives. */
export class LowerCase extends S3Storage {
  override generateFilename(name: string): string {
    return super.generateFilename(name).toLowerCase()
  }
}
