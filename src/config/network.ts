/** Validates and parses hosts, origins and address ranges of the configuration. Each `xProblem` returns undefined for a valid text. */

import { isIP } from "node:net";
import { type Address, isLoopback, withoutRoot } from "../net/address.ts";

/** Checks an origin such as "http://10.0.0.1:8080". */
export function originProblem(text: string): string | undefined {
  const parts = partsOf(text);
  if (!parts) {
    const other = /^[a-z][a-z\d+.-]*:\/\//i.test(text);
    return other ? "the protocol must be http or https" : "expected a URL such as http://10.0.0.1:8080";
  }
  if (parts.authority.includes("@")) return "a user name or password is not allowed";
  if (parts.rest !== "" && parts.rest !== "/") return "the URL must end after host and port";
  if (parts.host === "") return "the host is missing";
  if (parts.host === undefined || !URL.canParse(`http://${parts.host}`)) return "the host is not valid";
  const port = Number(parts.port ?? 80);
  return parts.port === "" || port < 1 || port > 65_535 ? "the port must be from 1 to 65535" : undefined;
}

/** Parses an origin that {@link originProblem} accepts. An IPv6 host keeps its brackets, as in URLs and Host headers. */
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

/** Does not use `URL`, which accepts spaces, backslashes and missing slashes, and hides an empty path or query. */
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

/** Checks a host name that a certificate can contain; IP addresses are rejected. */
export function hostnameProblem(text: string): string | undefined {
  const isName = /^[\w]([\w.-]{0,251}\w)?$/.test(text) && !/^[\d.]+$/.test(text);
  return isName ? undefined : "expected a host name such as api.internal";
}

/** Checks a name in DNS and a port: "api.internal:8080". */
export function nameAndPortProblem(text: string): string | undefined {
  if (/^[a-z]+:\/\//i.test(text)) return "leave the protocol out, and set protocol: https for https";
  const [, name, port] = /^([^:]*|\[.*\]|[\da-f:]+::[\da-f:]*?)(?::(\d*))?$/i.exec(text) ?? [];
  const host = withoutBrackets(name ?? text);
  if (isIP(host) !== 0 || /^[\d.]+$/.test(host))
    return "an address is not asked for in DNS; write url: http://10.0.0.1:8080";
  if (name !== undefined && port === undefined && serviceProblem(host) === undefined)
    return `the port is missing, as in ${host}:8080`;
  if (serviceProblem(host) !== undefined) return "expected a name and a port such as api.internal:8080";
  return Number(port) < 1 || Number(port) > 65_535 ? "the port must be from 1 to 65535" : undefined;
}

/**
 * Checks a name in DNS, which may begin with underscores, and end with the dot of the root: nothing is appended to it then.
 * Source: RFC 1035 section 2.3.4 (lengths), RFC 2782.
 */
export function serviceProblem(text: string): string | undefined {
  const name = withoutRoot(text);
  const isName = hostnameProblem(name) === undefined && name.split(".").every(isLabel);
  return isName ? undefined : "expected the name of a service such as _http._tcp.api.internal";
}

function isLabel(label: string): boolean {
  return label.length > 0 && label.length <= 63;
}

/** Checks where Docker answers: "unix:///var/run/docker.sock" or "tcp://socket-proxy:2375". */
export function dockerHostProblem(text: string): string | undefined {
  const [, protocol = "", rest = ""] = /^(\w+):\/\/(.*)$/s.exec(text) ?? [];
  if (protocol === "unix") {
    if (!rest.startsWith("/"))
      return "the path of the socket must be absolute, as in unix:///var/run/docker.sock";
    // With the byte that ends it, sockaddr_un has room for no more.
    return new TextEncoder().encode(rest).length > 107
      ? "the path of a socket has at most 107 bytes"
      : undefined;
  }
  if (protocol === "tcp") {
    const problem = originProblem(`http://${rest}`);
    if (problem !== undefined)
      return problem.replace("URL such as http://10.0.0.1:8080", "host such as tcp://socket-proxy:2375");
    return /:\d+\/?$/.test(rest) ? undefined : "the port is missing, as in tcp://socket-proxy:2375";
  }
  if (text.startsWith("/")) return `write unix://${text}`;
  return "expected unix:///var/run/docker.sock or a host such as tcp://socket-proxy:2375";
}

/** Checks the URL of an API server of Kubernetes, which may have a path. */
export function apiServerProblem(text: string): string | undefined {
  const [, origin = "", path = ""] = /^([^/?#]*\/\/[^/?#]*)(.*)$/s.exec(text) ?? [];
  const problem = originProblem(origin);
  if (problem !== undefined) return problem.replace("http://10.0.0.1:8080", "https://10.0.0.1:6443");
  if (!/^[\w/.~-]*$/.test(path)) return "the path may have letters, digits and / . _ ~ - only";
  const { protocol, hostname } = parseAddress(origin);
  return protocol === "http" && !isLoopback(hostname)
    ? "http is only for this machine, as with kubectl proxy; use https"
    : undefined;
}

/** Checks the address of a listener. */
export function hostProblem(text: string): string | undefined {
  return hostnameProblem(text) === undefined || isIP(withoutBrackets(text))
    ? undefined
    : "expected an IP address or a host name";
}

/** "[::1]" → "::1", the form that listeners accept. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** Whether a listener on this host accepts connections to every address of the machine. */
export function isWildcard(host: string): boolean {
  return ["0.0.0.0", "::"].includes(withoutBrackets(host));
}

/** Checks an IP address or a CIDR range. */
export function cidrProblem(text: string): string | undefined {
  const [, address = "", prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return "expected an address or a range such as 10.0.0.0/8";
  const bits = family === 4 ? 32 : 128;
  return Number(prefix ?? 0) > bits ? `the prefix must be from 0 to ${bits}` : undefined;
}

/** Checks the address of a DNS server: an IP address, with a port after an IPv4 address or after brackets. */
export function resolverProblem(text: string): string | undefined {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const isAddress = isIP(text) !== 0 || isIP(bracketed ?? "") === 6 || isIP(plain ?? "") === 4;
  if (!isAddress) return "expected an IP address such as 10.0.0.53 or 10.0.0.53:5353";
  const isPort = port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
  return isPort ? undefined : "the port must be from 1 to 65535";
}
