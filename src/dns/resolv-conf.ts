/** How this machine asks DNS: /etc/resolv.conf, and the names of /etc/hosts. Both are read again when they have changed. */

import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

import { plainName } from "./message.ts";

export interface ResolverConfig {
  /** "10.0.0.53", "[fd00::53]:5353"; never empty. */
  readonly servers: readonly string[];
  /** Domains that are tried behind short names. */
  readonly search: readonly string[];
  /** A name with so many dots is tried as it is first. */
  readonly ndots: number;
  /** Of one question to one server. */
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly attempts: number;
}

/** As many as the C library reads: resolv.conf(5). */
const maxServers = 3;
const maxSearch = 32;

/** A larger file is no list of names for a machine. */
const maxFileBytes = 1_048_576;

/** Shorter than the system's 5 s: a silent server must not hold up its neighbour for so long. */
const defaultTimeoutMs = 2_000;

/** Without resolvers of the configuration. Source: resolv.conf(5). */
export function parseResolvConf(text: string): ResolverConfig {
  const servers: string[] = [];
  let search: readonly string[] = [];
  const options = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    const [first = ""] = values;
    if (keyword === "nameserver" && isIP(first.replace(/%.*$/, "")) !== 0) servers.push(first);
    else if (keyword === "search" || keyword === "domain") search = values.map(plainName);
    else if (keyword === "options")
      for (const option of values) {
        const [name = "", value] = option.split(":");
        options.set(name, Number(value));
      }
  }
  const within = (name: string, fallback: number, max: number) => {
    const value = options.get(name);
    return value === undefined || !Number.isInteger(value) || value < 0 ? fallback : Math.min(value, max);
  };
  const timeout = within("timeout", defaultTimeoutMs / 1_000, 5);
  return {
    // Without a server, the one of this machine.
    servers: servers.length > 0 ? servers.slice(0, maxServers) : ["127.0.0.1"],
    search: search.filter((domain) => domain !== "").slice(0, maxSearch),
    ndots: within("ndots", 1, 15),
    timeoutMs: Math.max(1, timeout) * 1_000,
    attempts: Math.max(1, within("attempts", 2, 3)),
  };
}

/** For resolvers of the configuration: names are whole there. */
export function configuredResolvers(servers: readonly string[]): ResolverConfig {
  return { servers, search: [], ndots: 1, timeoutMs: defaultTimeoutMs, attempts: 2 };
}

/** Addresses by name, as the hosts file lists them: hosts(5). */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*$/, "").trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names.map(plainName)) {
      const addresses = found.get(name);
      if (addresses) addresses.push(address);
      else found.set(name, [address]);
    }
  }
  return found;
}

/** A file that is parsed again only when it has changed. */
export class ParsedFile<Value> {
  readonly #path: string;
  readonly #parse: (text: string) => Value;
  #version = "";
  #value: Value | undefined;

  /** @param parse called with an empty text for a file that cannot be read */
  constructor(path: string, parse: (text: string) => Value) {
    this.#path = path;
    this.#parse = parse;
  }

  get value(): Value {
    const version = versionOf(this.#path);
    if (this.#value === undefined || version !== this.#version) {
      this.#version = version;
      this.#value = this.#parse(version === "" ? "" : textOf(this.#path));
    }
    return this.#value;
  }
}

/** Empty for a file that is missing or too large. */
function versionOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && stat.size <= maxFileBytes ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
