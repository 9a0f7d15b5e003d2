/** An owner of buckets and objects, and the key that signs for it. */
export interface Account {
  readonly accessKey: string
  readonly secretKey: string
  /** Canonical user id, and display name. */
  readonly id: string
  readonly email?: string | undefined
  /** Temporary credentials: then every request has to carry this token. */
  readonly sessionToken?: string | undefined
}

/** The accounts of one server, found by what a request or a grant names. */
export class Accounts {
  readonly owner: Account
  readonly #byKey = new Map<string, Account>()

  constructor(owner: Account, others: readonly Account[]) {
    this.owner = owner
    for (const account of [...others, owner]) this.#byKey.set(account.accessKey, account)
  }

  withKey(accessKey: string): Account | undefined {
    return this.#byKey.get(accessKey)
  }

  withId(id: string): Account | undefined {
    return this.#find(account => account.id === id)
  }

  withEmail(email: string): Account | undefined {
    return this.#find(account => account.email?.toLowerCase() === email.toLowerCase())
  }

  #find(matches: (account: Account) => boolean): Account | undefined {
    for (const account of this.#byKey.values()) if (matches(account)) return account
    return undefined
  }
}
