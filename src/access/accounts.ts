/** Accounts of the admin API: users with passwords, programs with tokens, and the roles of both. */

export interface UserAccount {
  readonly name: string;
  readonly role: Role;
  /** argon2id in PHC form: "$argon2id$v=19$m=…". */
  readonly passwordHash: string;
}

export interface TokenAccount {
  readonly name: string;
  readonly role: Role;
  /** "sha256:" and 64 hexadecimal digits. A fast hash is enough: tokens are random and cannot be guessed. */
  readonly tokenHash: string;
}

/** Holds hashes only, except for the shared token. */
export interface Accounts {
  /** The token without a name; its bearers are admins. */
  readonly token?: string | undefined;
  readonly users?: readonly UserAccount[];
  readonly tokens?: readonly TokenAccount[];
}

/** Whether every caller that reaches the listener is an admin; allowed on loopback only. */
export function isOpen({ token, users = [], tokens = [] }: Accounts): boolean {
  return token === undefined && users.length === 0 && tokens.length === 0;
}

/**
 * From least to most: each role includes those before it. A viewer reads, an operator acts on upstreams, an admin also
 * changes the configuration.
 */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** Whether `role` includes `needed`. */
export function reaches(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}
