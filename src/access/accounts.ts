/** Who is known to the admin side: people with passwords, programs with tokens. Hashes only, but for the one shared token. */

export interface UserAccount {
  readonly name: string;
  readonly role: Role;
  /** argon2id in PHC form: "$argon2id$v=19$m=…". */
  readonly passwordHash: string;
}

export interface TokenAccount {
  readonly name: string;
  readonly role: Role;
  /** "sha256:" and 64 hexadecimal digits; enough for a random token, which nobody can guess. */
  readonly tokenHash: string;
}

export interface Accounts {
  /** The nameless one, whose bearers are admins. */
  readonly token?: string | undefined;
  readonly users?: readonly UserAccount[];
  readonly tokens?: readonly TokenAccount[];
}

/** Whoever reaches the listener is an admin: so only on loopback. */
export function isOpen({ token, users = [], tokens = [] }: Accounts): boolean {
  return token === undefined && users.length === 0 && tokens.length === 0;
}

// What somebody may do, as three steps of which each includes those below it.

/** A viewer reads, an operator acts on upstreams, an admin also changes the configuration. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

export function reaches(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}
