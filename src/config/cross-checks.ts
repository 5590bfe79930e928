/** What only shows when several settings are seen together. Works on anything, so that one mistake hides no other. */

import { isLoopback } from "../net/address.ts";
import { authorityOf } from "../pool/upstream.ts";
import { openAdmin, openDashboard, repeatedAccounts } from "./accounts.ts";
import { defaults } from "./config.ts";
import { entriesOf, type ConfigSources, valueAt } from "./sources.ts";
import { parseAddress, isWildcard, originProblem, withoutBrackets } from "./network.ts";
import type { Path, Problem } from "./problem.ts";
import { closestWord } from "./suggest.ts";

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
