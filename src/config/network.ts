/** Hosts, origins and address ranges as an operator writes them: what is wrong with one, and what it means. */

import { isIP } from "node:net";
import type { Address } from "../net/address.ts";

/** Undefined if the text is an origin such as "http://10.0.0.1:8080", else why not. */
export function originProblem(text: string): string | undefined {
  const parts = partsOf(text);
  if (!parts) {
    const other = /^[a-z][a-z\d+.-]*:\/\//i.test(text);
    return other ? "its protocol needs to be http or https" : "it needs a URL such as http://10.0.0.1:8080";
  }
  if (parts.authority.includes("@")) return "a user name or password has no place in it";
  if (parts.rest !== "" && parts.rest !== "/") return "it needs to end after host and port";
  if (parts.host === "") return "it needs a host";
  if (parts.host === undefined || !URL.canParse(`http://${parts.host}`)) return "its host is not valid";
  const port = Number(parts.port ?? 80);
  return parts.port === "" || port < 1 || port > 65_535 ? "its port needs to be from 1 to 65535" : undefined;
}

/** Meaning of a text that {@link originProblem} accepts; an IPv6 host keeps its brackets, as URLs and Host fields do. */
export function parseAddress(origin: string): Address {
  const { protocol, hostname, port } = new URL(origin);
  const https = protocol === "https:";
  return { protocol: https ? "https" : "http", hostname, port: Number(port || (https ? 443 : 80)) };
}

interface OriginParts {
  readonly authority: string;
  readonly rest: string;
  /** Undefined if the authority is neither host nor host:port. */
  readonly host?: string;
  readonly port?: string;
}

/** Not by `URL`: it accepts spaces, backslashes and missing slashes, and hides an empty path or query. */
function partsOf(text: string): OriginParts | undefined {
  const [, authority, rest = ""] = /^https?:\/\/([^/?#\\]*)(.*)$/is.exec(text) ?? [];
  if (authority === undefined) return undefined;
  const match = /^(\[[\da-f:.]+\]|[^\s:[\]]*)(?::(\d*))?$/i.exec(authority);
  const [, host, port] = match ?? [];
  return {
    authority,
    rest,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
  };
}

/** Undefined if a certificate can be for it, as a name, else why not. */
export function hostnameProblem(text: string): string | undefined {
  const isName = /^[\w]([\w.-]{0,251}\w)?$/.test(text) && !/^[\d.]+$/.test(text);
  return isName ? undefined : "it needs a host name such as api.internal";
}

/** Undefined if a listener can be asked to stand there, else why not. */
export function hostProblem(text: string): string | undefined {
  return hostnameProblem(text) === undefined || isIP(withoutBrackets(text))
    ? undefined
    : "it needs an IP address or a host name";
}

/** "[::1]" → "::1": how listeners want an IPv6 address. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** Whether a listener there answers on every address of this machine. */
export function isWildcard(host: string): boolean {
  return ["0.0.0.0", "::"].includes(withoutBrackets(host));
}

/** Undefined if the text is an address or a CIDR range, else why not. */
export function cidrProblem(text: string): string | undefined {
  const [, address = "", prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return "it needs an address or a range such as 10.0.0.0/8";
  const bits = family === 4 ? 32 : 128;
  return Number(prefix ?? 0) > bits ? `its prefix needs to be from 0 to ${bits}` : undefined;
}
