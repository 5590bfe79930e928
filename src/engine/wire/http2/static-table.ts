/** The static table of HPACK (RFC 7541 appendix A), for decoding by index and for encoding by name. */

import { latin1 } from "../http1/bytes.ts";

/** A header field in a table of HPACK. */
export interface TableField {
  readonly name: Buffer;
  readonly value: Buffer;
}

const entries: ReadonlyArray<readonly [name: string, value?: string]> = [
  [":authority"], [":method", "GET"], [":method", "POST"], [":path", "/"], [":path", "/index.html"], [":scheme", "http"],
  [":scheme", "https"], [":status", "200"], [":status", "204"], [":status", "206"], [":status", "304"], [":status", "400"],
  [":status", "404"], [":status", "500"], ["accept-charset"], ["accept-encoding", "gzip, deflate"], ["accept-language"],
  ["accept-ranges"], ["accept"], ["access-control-allow-origin"], ["age"], ["allow"], ["authorization"], ["cache-control"],
  ["content-disposition"], ["content-encoding"], ["content-language"], ["content-length"], ["content-location"],
  ["content-range"], ["content-type"], ["cookie"], ["date"], ["etag"], ["expect"], ["expires"], ["from"], ["host"],
  ["if-match"], ["if-modified-since"], ["if-none-match"], ["if-range"], ["if-unmodified-since"], ["last-modified"], ["link"],
  ["location"], ["max-forwards"], ["proxy-authenticate"], ["proxy-authorization"], ["range"], ["referer"], ["refresh"],
  ["retry-after"], ["server"], ["set-cookie"], ["strict-transport-security"], ["transfer-encoding"], ["user-agent"], ["vary"],
  ["via"], ["www-authenticate"],
]; // prettier-ignore

/** Index 1 is at position 0. */
export const staticTable: readonly TableField[] = entries.map(([name, value = ""]) => ({
  name: latin1(name),
  value: latin1(value),
}));

/** By length × 32 + the first letter: the first index with such a name; the rest follow through `sameKey`. */
const firstOf = new Uint8Array(32 * 32);
const sameKey = new Uint8Array(staticTable.length + 1);
for (let index = staticTable.length; index >= 1; index--) {
  const { name } = staticTable[index - 1] as TableField;
  // Of several entries with one name, the first: any of them carries the name.
  if (index > 1 && staticTable[index - 2]?.name.equals(name)) continue;
  const key = keyOf(name.length, name[0] as number);
  sameKey[index] = firstOf[key] as number;
  firstOf[key] = index;
}

function keyOf(length: number, first: number): number {
  return (length & 31) * 32 + (first & 31);
}

/** The first index of the static table with the lower-case name bytes[from..to); 0 if there is none. */
export function staticNameIndex(bytes: Uint8Array, from: number, to: number): number {
  let index = firstOf[keyOf(to - from, bytes[from] as number)] as number;
  while (index !== 0 && !equalsName((staticTable[index - 1] as TableField).name, bytes, from, to))
    index = sameKey[index] as number;
  return index;
}

function equalsName(name: Buffer, bytes: Uint8Array, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[from + i]) return false;
  return true;
}
