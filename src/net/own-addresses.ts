/** Which addresses reach this machine and its listeners, and which ones no upstream should have. */

import { hostname as machineName, networkInterfaces } from "node:os";

import { isLoopback } from "./address.ts";
import { canonicalIp } from "./ip-address.ts";

/** An upstream's host as an IP address in canonical text, or as a name in lower case without the dot of the root. */
function plainHost(hostname: string): string {
  const host = hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/%.*$/, "")
    .replace(/\.$/, "")
    .toLowerCase();
  // URLs accept more spellings of IPv4 than canonical text has: "127.1", "0x7f.1", "2130706433", "0".
  const spelled = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : host;
  const address = canonicalIp(host) ?? canonicalIp(spelled) ?? host;
  if (loopbackNames.has(host)) return "localhost";
  // IPv4 in the well-known prefix of translators (RFC 6052 section 2.1), or in that of 6to4 (RFC 3056 section 2).
  const translated =
    /^64:ff9b::([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address) ??
    /^2002:([\da-f]{1,4}):([\da-f]{1,4})(?::|$)/.exec(address);
  return (translated && canonicalIp(`::ffff:${translated[1]}:${translated[2]}`)) ?? address;
}

/** Names that hosts files usually have for the loopback addresses, apart from localhost. */
const loopbackNames: ReadonlySet<string> = new Set([
  "localhost.localdomain",
  "ip6-localhost",
  "ip6-loopback",
]);

/** Whether connects to the host reach this machine, as far as its text says: no name is resolved. */
function isThisMachine(host: string): boolean {
  if (isLoopback(host) || isUnspecified(host) || host === machineName().toLowerCase()) return true;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.some(({ address }) => plainHost(address) === host);
}

function isUnspecified(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Whether an upstream on this host would be a listener that is bound to `bound`, if their ports are equal. */
export function reachesListener(hostname: string, bound: string): boolean {
  const [host, listener] = [plainHost(hostname), plainHost(bound)];
  if (host === listener) return true;
  // The system connects to itself; where that arrives depends on the system.
  if (isUnspecified(host)) return true;
  if (isUnspecified(listener)) return isThisMachine(host);
  if (isLoopback(listener)) return isLoopback(host);
  // A listener bound to a name has one of this machine's addresses.
  return canonicalIp(listener) === undefined && isThisMachine(host);
}

/** What the clouds serve credentials of the machine on, apart from 169.254.169.254. */
const metadataHosts: ReadonlySet<string> = new Set([
  "metadata.google.internal",
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
]);

/**
 * Why no upstream should have this host: it is unspecified, or link-local (RFC 3927, RFC 4291 section 2.5.6), where clouds
 * serve the machine's credentials. Undefined for all others.
 */
export function unusualHostOf(hostname: string): "unspecified" | "link-local" | undefined {
  const host = plainHost(hostname);
  if (isUnspecified(host)) return "unspecified";
  const isLinkLocal = host.startsWith("169.254.") && canonicalIp(host) !== undefined;
  return isLinkLocal || /^fe[89ab][\da-f]:/.test(host) || metadataHosts.has(host) ? "link-local" : undefined;
}
