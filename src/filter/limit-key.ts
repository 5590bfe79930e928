/** What a rate limit counts by: the client, a field, a cookie, a part of the path, a certificate or a user. */

import { ipv6Groups, mappedIpv4 } from "../net/ip-address.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import { cookieOf } from "../proxy/hash-key.ts";

/** `client`, `none`, `user`, `tls.fingerprint`, `path.NAME`, `header:Name` or `cookie:name`. */
export type LimitBy = string;

/** Computes the key of a request; undefined for a request that lacks what the limit counts by. */
export type LimitKeyFn = (request: FilteredRequest) => string | undefined;

export interface LimitKeyOptions {
  readonly by: LimitBy;
  /** Requests without the key: limited by client, or refused. */
  readonly missing: "client" | "refuse";
  /** Bits of an IPv6 address that are one client. */
  readonly ipv6Prefix: number;
}

/** The first character tells keys of different kinds apart: a field's value must not take from the limit of a client. */
export function limitKeyFor({ by, missing, ipv6Prefix }: LimitKeyOptions): LimitKeyFn {
  const byClient: LimitKeyFn = ({ head }) => `c${networkOf(head.clientAddress, ipv6Prefix)}`;
  if (by === "client") return byClient;
  if (by === "none") return () => "n";
  const valueOf = valueReader(by);
  return (request) => {
    const value = valueOf(request);
    if (value !== undefined && value !== "") return `v${value}`;
    return missing === "client" ? byClient(request) : undefined;
  };
}

function valueReader(by: LimitBy): LimitKeyFn {
  if (by === "user") return ({ user }) => user;
  if (by === "tls.fingerprint") return ({ head }) => head.tls?.client?.fingerprint;
  const name = by.slice(by.search(/[.:]/) + 1);
  if (by.startsWith("path.")) return ({ match }) => decoded(match.captures?.[name]);
  if (by.startsWith("cookie:")) return ({ head }) => cookieOf(head.header("cookie") ?? "", name);
  const header = name.toLowerCase();
  return ({ head }) => head.header(header);
}

/** The same text has many spellings with escapes, and each would have a limit of its own. */
function decoded(segment: string | undefined): string | undefined {
  if (segment === undefined || !segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment.toLowerCase();
  }
}

/** An IPv4 address as it is, and of an IPv6 address the first bits: a site has at least 2^64 addresses (RFC 6177). */
export function networkOf(address: string, ipv6Prefix: number): string {
  const groups = address.includes(":") ? ipv6Groups(address) : undefined;
  if (!groups) return address;
  const mapped = mappedIpv4(groups);
  if (mapped >= 0) return `${mapped >>> 24}.${(mapped >>> 16) & 255}.${(mapped >>> 8) & 255}.${mapped & 255}`;
  let text = "";
  for (let index = 0; index < 8; index++) {
    const bits = Math.min(16, Math.max(0, ipv6Prefix - 16 * index));
    text += (index === 0 ? "" : ":") + ((groups[index] as number) & (0xffff << (16 - bits)) & 0xffff);
  }
  return text;
}
