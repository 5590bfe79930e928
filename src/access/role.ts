/** What somebody may do, as three steps of which each includes those below it. */

/** A viewer reads, an operator acts on upstreams, an admin also changes the configuration. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

export function reaches(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}
