/** Password hashes of the users of routes: argon2id, and bcrypt as `htpasswd -B` writes it. */

import { passwordHashOf, passwordHashProblem } from "./password-hash.ts";

/** A user of a route. */
export interface RouteUser {
  readonly name: string;
  readonly passwordHash: string;
}

const bcryptPattern = /^\$2[aby]\$(\d\d)\$[./A-Za-z\d]{53}$/;

/** A verification takes 60 ms with 10, and twice as long with each step more. */
const maxBcryptCost = 14;
const minBcryptCost = 4;

export function isBcrypt(hash: string): boolean {
  return hash.startsWith("$2");
}

/** bcrypt reads no more of a password (Provos and Mazières 1999); other programs ignore the rest too. */
export const maxBcryptBytes = 72;

/** Why the text is not an accepted hash, without quoting it; undefined if it is. */
export function userHashProblem(text: string): string | undefined {
  if (passwordHashOf(text)) return undefined;
  const [, cost] = bcryptPattern.exec(text) ?? [];
  if (cost !== undefined) {
    const isBounded = Number(cost) >= minBcryptCost && Number(cost) <= maxBcryptCost;
    return isBounded ? undefined : `its cost must be from ${minBcryptCost} to ${maxBcryptCost}`;
  }
  if (text.startsWith("$argon2id$")) return passwordHashProblem(text);
  const kind = kindOf(text);
  const expected = "expected an argon2id hash of `evenkeel password`, or a bcrypt hash of `htpasswd -B`";
  return kind === undefined ? expected : `${kind} can be guessed too fast; ${expected}`;
}

/** What other programs write into such files. */
function kindOf(text: string): string | undefined {
  if (/^\$(apr)?1\$/.test(text)) return "MD5";
  if (/^\{S?SHA/i.test(text)) return "SHA-1";
  if (/^\$[56]\$/.test(text)) return "SHA-crypt";
  return /^[./A-Za-z\d]{13}$/.test(text) ? "crypt" : undefined;
}
