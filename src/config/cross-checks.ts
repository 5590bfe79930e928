/** What only shows when several settings are seen together. Works on anything, so that one mistake hides no other. */

import type { Role } from "../access/accounts.ts";
import { defaults } from "./config.ts";
import { isWildcard, originProblem, parseAddress, withoutBrackets } from "./network.ts";
import { closestWord, type Path, type Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { isLoopback } from "../net/address.ts";
import { authorityOf } from "../net/address.ts";

/** One of the program's own listeners, by its key in the file. */
export type ListenerKey = "listen" | "admin" | "dashboard";

const listenerNames: Readonly<Record<ListenerKey, string>> = {
  listen: "the front door",
  admin: "the admin side",
  dashboard: "the dashboard",
};

/** @param listeners those that this command opens */
export function crossCheck(sources: ConfigSources, listeners: readonly ListenerKey[]): readonly Problem[] {
  return [
    ...repeatedNames(sources),
    ...unusedTls(sources),
    ...unreachableRoutes(sources),
    ...openAdmin(sources),
    ...openDashboard(sources, listeners.includes("dashboard")),
    ...repeatedAccounts(sources),
    ...sharedPorts(sources, listeners),
    ...selfReferences(sources, listeners),
  ];
}

interface FoundUpstream {
  readonly path: Path;
  readonly url: unknown;
  readonly name: unknown;
}

function upstreamsIn({ value }: ConfigSources): readonly FoundUpstream[] {
  return entriesOf(valueAt(value, ["pools"])).flatMap(([pool, inside]) =>
    entriesOf(valueAt(inside, ["upstreams"])).map(([index, upstream]) => ({
      path: ["pools", pool, "upstreams", index],
      url: valueAt(upstream, ["url"]),
      name: valueAt(upstream, ["name"]),
    })),
  );
}

function repeatedNames(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return upstreamsIn(sources).flatMap(({ path, url, name }) => {
    const valid = typeof url === "string" && originProblem(url) === undefined;
    const known = name ?? (valid ? authorityOf(parseAddress(url)) : undefined);
    if (typeof known !== "string") return [];
    const owner = owners.get(known);
    if (!owner) owners.set(known, path);
    if (!owner) return [];
    const why = `${sources.subjectOf(owner)} is called ${known} too, give it a name of its own`;
    return [sources.problemOf({ path, why, value: url })];
  });
}

/** Whoever writes it believes that the connection is safe. */
function unusedTls(sources: ConfigSources): readonly Problem[] {
  return upstreamsIn(sources).flatMap(({ path, url }) => {
    const tls = valueAt(sources.value, [...path, "tls"]);
    if (tls === undefined || typeof url !== "string" || !/^http:/i.test(url)) return [];
    const why = `it means nothing for ${url}, which is not https`;
    return [sources.problemOf({ path: [...path, "tls"], why, value: tls })];
  });
}

function unreachableRoutes(sources: ConfigSources): readonly Problem[] {
  const pools = entriesOf(valueAt(sources.value, ["pools"])).map(([name]) => name);
  const routes = entriesOf(valueAt(sources.value, ["routes"]));
  return routes.flatMap(([index, route]) => {
    const path = ["routes", index];
    const pool = valueAt(route, ["pool"]);
    const isLast = Number(index) === routes.length - 1;
    const matchesAll = entriesOf(route).every(([key]) => key === "pool");
    const problems: Problem[] = [];
    if (typeof pool === "string" && !pools.includes(pool)) {
      const meant = closestWord(pool, pools);
      const why = meant ? `did you mean ${meant}?` : `known are ${pools.join(", ")}`;
      const fault = { path: [...path, "pool"], why: `there is no such pool (${why})`, value: pool };
      problems.push(sources.problemOf(fault));
    }
    if (typeof pool === "string" && matchesAll && !isLast) {
      const why = "it matches everything, so it needs to be the last";
      problems.push(sources.problemOf({ path, why, value: route }));
    }
    return problems;
  });
}

interface FoundListener {
  readonly key: ListenerKey;
  readonly host: string;
  readonly port: number;
  readonly path: Path;
}

function listenersIn({ value }: ConfigSources, keys: readonly ListenerKey[]): readonly FoundListener[] {
  return keys.flatMap((key) => {
    const host = valueAt(value, [key, "host"]) ?? defaults[key].hostname;
    const port = valueAt(value, [key, "port"]) ?? defaults[key].port;
    if (typeof host !== "string" || typeof port !== "number" || port === 0) return [];
    return [{ key, host, port, path: [key, "port"] }];
  });
}

function sharedPorts(sources: ConfigSources, keys: readonly ListenerKey[]): readonly Problem[] {
  const listeners = listenersIn(sources, keys);
  return listeners.flatMap((later, index) =>
    listeners.slice(0, index).flatMap((earlier) => {
      if (earlier.port !== later.port || !overlaps(earlier.host, later.host)) return [];
      const isChosen = sources.sourceOf(later.path) !== "default";
      const [named, other] = isChosen ? [later, earlier] : [earlier, later];
      const why = `${listenerNames[other.key]} has this port already`;
      return [sources.problemOf({ path: named.path, why, value: named.port })];
    }),
  );
}

function overlaps(one: string, other: string): boolean {
  if (isWildcard(one) || isWildcard(other)) return true;
  return withoutBrackets(one) === withoutBrackets(other) || (isLoopback(one) && isLoopback(other));
}

/** An upstream that is this very process: its requests would go round for ever. */
function selfReferences(sources: ConfigSources, keys: readonly ListenerKey[]): readonly Problem[] {
  const listeners = listenersIn(sources, keys);
  return upstreamsIn(sources).flatMap(({ path, url }) => {
    if (typeof url !== "string" || originProblem(url) !== undefined) return [];
    const { hostname, port } = parseAddress(url);
    const own = listeners.find(
      (listener) => listener.port === port && isLoopback(hostname) && overlaps(listener.host, hostname),
    );
    if (!own) return [];
    const why = `${listenerNames[own.key]} of this balancer listens there itself`;
    if (sources.sourceOf(path) !== "default") return [sources.problemOf({ path, why, value: url })];
    const whyPort = `the upstream ${authorityOf(parseAddress(url))} is there`;
    return [sources.problemOf({ path: own.path, why: whyPort, value: port })];
  });
}

// What does not fit together among the accounts of the admin side, and how they are called.

/** Whom the record already names so: an account of that name could pass its acts off as theirs. */
const ownNames: ReadonlySet<string> = new Set([
  "anybody",
  "api",
  "balancer",
  "configuration",
  "dashboard",
  "nobody",
  "prober",
  "sighup",
  "watch",
]);

/** The admin side acts on the balancer: beyond this machine it has to know its callers. */
export function openAdmin(sources: ConfigSources): readonly Problem[] {
  const host = valueAt(sources.value, ["admin", "host"]);
  if (typeof host !== "string" || isLoopback(host)) return [];
  const has = (key: string) => entriesOf(valueAt(sources.value, ["admin", key])).length > 0;
  if (valueAt(sources.value, ["admin", "token"]) !== undefined || has("users") || has("tokens")) return [];
  const why =
    "beyond this machine the admin side needs a token (ADMIN_TOKEN, or admin.token in the file) or admin.users";
  return [sources.problemOf({ path: ["admin", "host"], why, value: host })];
}

/** It acts for whoever reaches it, unless people log in; a token of its own tells nobody apart. */
export function openDashboard(sources: ConfigSources, isOpened: boolean): readonly Problem[] {
  const host = valueAt(sources.value, ["dashboard", "host"]);
  if (!isOpened || typeof host !== "string" || isLoopback(host)) return [];
  if (entriesOf(valueAt(sources.value, ["admin", "users"])).length > 0) return [];
  const why = "beyond this machine the dashboard needs admin.users, who log in";
  return [sources.problemOf({ path: ["dashboard", "host"], why, value: host })];
}

/** People and programs share one set of names, since the record has only that; case does not tell them apart. */
export function repeatedAccounts(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return ["users", "tokens"].flatMap((list) =>
    entriesOf(valueAt(sources.value, ["admin", list])).flatMap(([index, account]) => {
      const path = ["admin", list, index, "name"];
      const name = valueAt(account, ["name"]);
      if (typeof name !== "string") return [];
      const owner = owners.get(name.toLowerCase());
      if (!owner) owners.set(name.toLowerCase(), path);
      const isOwn = ownNames.has(name.toLowerCase());
      if (!owner && !isOwn) return [];
      const why = isOwn
        ? "the balancer calls itself so in its record"
        : `${sources.subjectOf(owner ?? path)} is the same name`;
      return [sources.problemOf({ path, why, value: name })];
    }),
  );
}

/** Names and roles; the rest is for nobody's eyes. */
export function describeAccount({ name, role }: { readonly name: string; readonly role: Role }): string {
  return `${name} (${role})`;
}
