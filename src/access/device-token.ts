/** Tokens of browsers in which a user has logged in before: OWASP, "Slow Down Online Guessing Attacks with Device Cookies". */

import { derivedSecret, isSameSecret, newSecret } from "../lib/secrets.ts";
import type { UserAccount } from "./accounts.ts";

/** An id, and a signature for one user. */
const tokenPattern = /^([\w-]{22})\.([\w-]{43})$/;

/**
 * A token that proves only that this user has logged in with this browser. Its key comes from the user's password hash: it is
 * valid in every process and after every restart, and ends with the password.
 * @param device the browser's id if it has one already
 */
export function createDeviceToken(user: UserAccount, device = newSecret().slice(0, 22)): string {
  return `${device}.${signatureOf(user, device)}`;
}

/** The browser's id; undefined if the token is not one of this user. */
export function verifiedDevice(token: string | undefined, user: UserAccount): string | undefined {
  const [, device, signature] = tokenPattern.exec(token ?? "") ?? [];
  if (device === undefined || signature === undefined) return undefined;
  return isSameSecret(signature, signatureOf(user, device)) ? device : undefined;
}

function signatureOf({ name, passwordHash }: UserAccount, device: string): string {
  return derivedSecret(passwordHash, `device ${device} ${name}`);
}
