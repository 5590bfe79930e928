/** Password hashes of the configuration: argon2id in the PHC string format, with bounded cost. */

/** Memory in KiB, passes over it, and lanes. Source: RFC 9106, section 3.1. */
export interface PasswordCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

export interface PasswordHash extends PasswordCost {
  readonly salt: Buffer;
  readonly digest: Buffer;
}

/** Cost of new hashes. Source: OWASP Password Storage Cheat Sheet, its recommended minimum for argon2id. */
export const defaultCost: PasswordCost = { memoryKib: 19_456, passes: 2, lanes: 1 };

/** Upper bounds, so that a login cannot take too much memory or time from the balancer: 1 GiB, sixteen passes. */
const maxMemoryKib = 1_048_576;
const maxPasses = 16;
const maxLanes = 16;

/** Source: the PHC string format, with the parameter order that every implementation writes. */
export const passwordHashPattern =
  "^\\$argon2id\\$v=19\\$m=(\\d{1,7}),t=(\\d{1,2}),p=(\\d{1,2})\\$([A-Za-z\\d+/]{11,86})\\$([A-Za-z\\d+/]{22,86})$";

const hashRegExp = new RegExp(passwordHashPattern);

/** Undefined if the text is not such a hash, or its cost is out of bounds. */
export function passwordHashOf(text: string): PasswordHash | undefined {
  const [, memory, passes, lanes, salt = "", digest = ""] = hashRegExp.exec(text) ?? [];
  const cost = { memoryKib: Number(memory), passes: Number(passes), lanes: Number(lanes) };
  if (!isBounded(cost)) return undefined;
  return { ...cost, salt: Buffer.from(salt, "base64"), digest: Buffer.from(digest, "base64") };
}

export function formatPasswordHash({ memoryKib, passes, lanes, salt, digest }: PasswordHash): string {
  const unpadded = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(digest)}`;
}

/** Why the text is not an accepted hash, without quoting it; undefined if it is. */
export function passwordHashProblem(text: string): string | undefined {
  if (passwordHashOf(text)) return undefined;
  return hashRegExp.test(text)
    ? `its cost must be at most m=${maxMemoryKib}, t=${maxPasses}, p=${maxLanes}, and m at least 8 times p`
    : "expected an argon2id hash as printed by `evenkeel password`, never a password";
}

function isBounded({ memoryKib, passes, lanes }: PasswordCost): boolean {
  const isWithin = memoryKib <= maxMemoryKib && passes <= maxPasses && lanes <= maxLanes;
  return isWithin && passes >= 1 && lanes >= 1 && memoryKib >= 8 * lanes;
}
