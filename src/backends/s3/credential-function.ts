import type { OptionSpec } from '../../core/options.ts'

/** What the option `credentials` gives: our names, or those of the AWS SDK's providers. */
export type GivenCredentials =
  | {
      readonly accessKey: string
      readonly secretKey: string
      readonly securityToken?: string | undefined
      readonly expiresAt?: Date | number | undefined
    }
  | {
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken?: string | undefined
      readonly expiration?: Date | undefined
    }

/** The option `credentials`: asked at the first use, and again before its keys end. */
export type CredentialFunction = () => GivenCredentials | Promise<GivenCredentials>

/** Spec of the option `credentials`. */
export const credentialsOption: OptionSpec = {
  type: 'function',
  meaning:
    'Asked for keys at the first use and before they end: a function, such as a provider of the AWS SDK, that gives { accessKey, secretKey, securityToken?, expiresAt? }.',
}
