/** Hashes of passwords as the configuration holds them: argon2id in the PHC string format, within bounds. */

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

/** What new hashes are made with. Source: OWASP Password Storage Cheat Sheet, its recommended minimum for argon2id. */
export const defaultCost: PasswordCost = { memoryKib: 19_456, passes: 2, lanes: 1 };

/** A login must not cost more memory or time than a balancer can spare: 1 GiB, sixteen passes. */
const maxMemoryKib = 1_048_576;
const maxPasses = 16;
const maxLanes = 16;

/** Source: the PHC string format, with the order of parameters that every implementation writes. */
export const passwordHashPattern =
  "^\\$argon2id\\$v=19\\$m=(\\d{1,7}),t=(\\d{1,2}),p=(\\d{1,2})\\$([A-Za-z\\d+/]{11,86})\\$([A-Za-z\\d+/]{22,86})$";

const shape = new RegExp(passwordHashPattern);

/** Undefined if it is none, or none within the bounds. */
export function passwordHashOf(text: string): PasswordHash | undefined {
  const [, memory, passes, pools, salt = "", digest = ""] = shape.exec(text) ?? [];
  const cost = { memoryKib: Number(memory), passes: Number(passes), lanes: Number(pools) };
  if (!isBounded(cost)) return undefined;
  return { ...cost, salt: Buffer.from(salt, "base64"), digest: Buffer.from(digest, "base64") };
}

export function formatPasswordHash({ memoryKib, passes, lanes: pools, salt, digest }: PasswordHash): string {
  const plain = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${pools}$${plain(salt)}$${plain(digest)}`;
}

/** Undefined if the text is a hash that can be taken, else why not, without quoting it. */
export function passwordHashProblem(text: string): string | undefined {
  if (passwordHashOf(text)) return undefined;
  return shape.test(text)
    ? `its costs need to be at most m=${maxMemoryKib}, t=${maxPasses}, p=${maxLanes}, and m at least 8 times p`
    : "it needs an argon2id hash as `evenkeel password` prints it, and never a password";
}

function isBounded({ memoryKib, passes, lanes: pools }: PasswordCost): boolean {
  const isWithin = memoryKib <= maxMemoryKib && passes <= maxPasses && pools <= maxLanes;
  return isWithin && passes >= 1 && pools >= 1 && memoryKib >= 8 * pools;
}
