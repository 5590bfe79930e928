/** Checks that involve several settings. They accept invalid values, so that one problem does not hide another. */

import type { Role } from "../access/accounts.ts";
import { parseSize } from "../lib/units.ts";
import { authorityOf, isLoopback } from "../net/address.ts";
import { reachesListener, unusualHostOf } from "../net/own-addresses.ts";
import { acmeChecks } from "./acme.ts";
import { alertChecks } from "./alert-checks.ts";
import { defaults } from "./config.ts";
import { discoveryChecks } from "./discovery-entries.ts";
import { isWildcard, originProblem, parseAddress, withoutBrackets } from "./network.ts";
import { fleetChecks } from "./fleet.ts";
import { listenerChecks, listenerPathsIn, type ServedProtocols } from "./listener-checks.ts";
import { type Path, type Problem, quote } from "./problem.ts";
import { routeChecks } from "./route-checks.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { stickyChecks } from "./sticky.ts";
import { messageSizeProblem, sizeProblem } from "./values.ts";

/** A listener of the program, by its key in the file. */
export type ListenerKey = "listen" | "admin" | "dashboard";

const listenerNames: Readonly<Record<ListenerKey, string>> = {
  listen: "client listener",
  admin: "admin API",
  dashboard: "dashboard",
};

/** @param listeners the ones that this command opens */
export function crossCheck(
  sources: ConfigSources,
  listeners: readonly ListenerKey[],
  served: ServedProtocols,
): readonly Problem[] {
  return [
    ...discoveryChecks(sources),
    ...repeatedNames(sources),
    ...listenerChecks(sources, served),
    ...acmeChecks(sources),
    ...unusedTls(sources),
    ...unsentProtocols(sources),
    ...unsentHeaders(sources),
    ...repeatedProbeKinds(sources),
    ...routeChecks(sources),
    ...stickyChecks(sources),
    ...fleetChecks(sources),
    ...alertChecks(sources),
    ...unusableFrontDoor(sources),
    ...openAdmin(sources),
    ...openDashboard(sources, listeners.includes("dashboard")),
    ...repeatedAccounts(sources),
    ...sharedPorts(sources, listeners),
    ...selfReferences(sources, listeners),
    ...smallBuffers(sources),
  ];
}

/** The balancer asks it every ten seconds, and shows the status of what answers. */
function unusableFrontDoor(sources: ConfigSources): readonly Problem[] {
  const value = valueAt(sources.value, ["frontDoor"]);
  if (typeof value !== "string" || !URL.canParse(value)) return [];
  const { hostname, port } = new URL(value);
  const unusual = unusualHostOf(hostname);
  const allowsLinkLocal = valueAt(sources.value, ["allowLinkLocal"]) === true;
  const why =
    port === "0"
      ? "the port must be from 1 to 65535"
      : unusual === "unspecified"
        ? "its host is the address of no server; 127.0.0.1 is this machine"
        : unusual === "link-local" && !allowsLinkLocal
          ? "its host is link-local, where clouds serve this machine's credentials; allowLinkLocal: true accepts it"
          : undefined;
  return why === undefined ? [] : [sources.problemOf({ path: ["frontDoor"], why, value })];
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
    const id = name ?? (valid ? authorityOf(parseAddress(url)) : undefined);
    if (typeof id !== "string") return [];
    const owner = owners.get(id);
    if (!owner) owners.set(id, path);
    if (!owner) return [];
    const why = `${sources.subjectOf(owner)} already has the name ${id}; set another name`;
    return [sources.problemOf({ path, why, value: url })];
  });
}

/** Rejects TLS settings of an http upstream: their author expects an encrypted connection. */
function unusedTls(sources: ConfigSources): readonly Problem[] {
  return upstreamsIn(sources).flatMap(({ path, url }) => {
    const tls = valueAt(sources.value, [...path, "tls"]);
    if (tls === undefined || typeof url !== "string" || !/^http:/i.test(url)) return [];
    return [
      sources.problemOf({ path: [...path, "tls"], why: `the URL must be https (it is ${quote(url)})` }),
    ];
  });
}

/** Rejects buffers that the largest message would not fit into. */
function smallBuffers(sources: ConfigSources): readonly Problem[] {
  const bytesAt = (key: string, bytes: number, problem: typeof sizeProblem) => {
    const value = valueAt(sources.value, ["limits", key]);
    if (typeof value !== "string") return bytes;
    return problem(value) === undefined ? parseSize(value) : undefined;
  };
  const { webSocketBufferBytes, webSocketMessageBytes } = defaults.limits;
  const buffers = bytesAt("webSocketBuffers", webSocketBufferBytes, sizeProblem);
  const message = bytesAt("webSocketMessage", webSocketMessageBytes, messageSizeProblem);
  if (buffers === undefined || message === undefined || buffers >= message) return [];
  const given = ["limits", "webSocketBuffers"];
  const value = valueAt(sources.value, given);
  const path = value === undefined ? ["limits", "webSocketMessage"] : given;
  const why = "expected limits.webSocketBuffers of at least limits.webSocketMessage";
  return [sources.problemOf({ path, why, value: valueAt(sources.value, path) })];
}

interface FoundListener {
  readonly key: ListenerKey;
  readonly host: string;
  readonly port: number;
  readonly path: Path;
}

function listenersIn({ value }: ConfigSources, keys: readonly ListenerKey[]): readonly FoundListener[] {
  return keys.flatMap((key) =>
    listenerPathsIn(value, key).flatMap((path) => {
      const host = valueAt(value, [...path, "host"]) ?? defaults[key].hostname;
      const port = valueAt(value, [...path, "port"]) ?? defaults[key].port;
      if (typeof host !== "string" || typeof port !== "number" || port === 0) return [];
      return [{ key, host, port, path: [...path, "port"] }];
    }),
  );
}

function sharedPorts(sources: ConfigSources, keys: readonly ListenerKey[]): readonly Problem[] {
  const listeners = listenersIn(sources, keys);
  return listeners.flatMap((later, index) => {
    const earlier = listeners
      .slice(0, index)
      .find(({ port, host }) => port === later.port && overlaps(host, later.host));
    if (!earlier) return [];
    const isChosen = sources.sourceOf(later.path) !== "default";
    const [named, other] = isChosen ? [later, earlier] : [earlier, later];
    const why = `the ${listenerNames[other.key]} already uses this port`;
    return [sources.problemOf({ path: named.path, why, value: named.port })];
  });
}

function overlaps(one: string, other: string): boolean {
  if (isWildcard(one) || isWildcard(other)) return true;
  return withoutBrackets(one) === withoutBrackets(other) || (isLoopback(one) && isLoopback(other));
}

/** The fetch engine sends what the runtime's client sends. */
function unsentProtocols(sources: ConfigSources): readonly Problem[] {
  if (valueAt(sources.value, ["engine"]) !== "fetch") return [];
  const pools = entriesOf(valueAt(sources.value, ["pools"])).map(([name]): Path => ["pools", name]);
  return [...pools, ...upstreamsIn(sources).map(({ path }) => path)].flatMap((owner) => {
    const path = [...owner, "http2"];
    if (valueAt(sources.value, path) !== true) return [];
    const why = "the fetch engine speaks HTTP/1.1 to upstreams; leave http2 out, or use the wire engine";
    return [sources.problemOf({ path, why, value: true })];
  });
}

/** Rejects PROXY headers where connections are not the engine's own, or carry the requests of many clients. */
function unsentHeaders(sources: ConfigSources): readonly Problem[] {
  const isFetch = valueAt(sources.value, ["engine"]) === "fetch";
  return entriesOf(valueAt(sources.value, ["pools"])).flatMap(([name, pool]) => {
    const value = valueAt(pool, ["proxyProtocol"]);
    if (value === undefined) return [];
    const path = ["pools", name, "proxyProtocol"];
    const sharing = [pool, ...entriesOf(valueAt(pool, ["upstreams"])).map(([, upstream]) => upstream)];
    const isShared = sharing.some((owner) => valueAt(owner, ["http2"]) === true);
    if (!isFetch && !isShared) return [];
    const why = isFetch
      ? "the fetch engine cannot send PROXY headers; leave it out, or use the wire engine"
      : "clients share connections of HTTP/2; leave out http2";
    return [sources.problemOf({ path, why, value })];
  });
}

/** One probe is of one kind. */
function repeatedProbeKinds(sources: ConfigSources): readonly Problem[] {
  return entriesOf(valueAt(sources.value, ["pools"])).flatMap(([name, pool]) => {
    const [grpc, path] = ["grpc", "path"].map((key) => valueAt(pool, ["probe", key]));
    if (path === undefined || grpc === undefined || grpc === false) return [];
    const why = "a probe is either a GET of path or a call of the gRPC health service; leave one of them out";
    return [sources.problemOf({ path: ["pools", name, "probe", "grpc"], why, value: grpc })];
  });
}

/** The cause for an upstream that is a listener of this balancer. */
export function loopProblem(key: ListenerKey): string {
  return `it is the address of this balancer's ${listenerNames[key]}, so requests would loop`;
}

/** Rejects an upstream that is a listener of this process: its requests would loop. */
function selfReferences(sources: ConfigSources, keys: readonly ListenerKey[]): readonly Problem[] {
  const listeners = listenersIn(sources, keys);
  return upstreamsIn(sources).flatMap(({ path, url }) => {
    if (typeof url !== "string" || originProblem(url) !== undefined) return [];
    const { hostname, port } = parseAddress(url);
    const own = listeners.find(
      (listener) => listener.port === port && reachesListener(hostname, listener.host),
    );
    if (!own) return [];
    const why = loopProblem(own.key);
    if (sources.sourceOf(path) !== "default") return [sources.problemOf({ path, why, value: url })];
    const whyPort = `the upstream ${authorityOf(parseAddress(url))} already uses this port`;
    return [sources.problemOf({ path: own.path, why: whyPort, value: port })];
  });
}

/** Actor names that the event log uses itself: an account with such a name could disguise its actions. */
const reservedNames: ReadonlySet<string> = new Set([
  "anybody",
  "api",
  "balancer",
  "configuration",
  "dashboard",
  "discovery",
  "nobody",
  "prober",
  "sighup",
  "watch",
]);

/** The admin API controls the balancer: on an address other than loopback it requires authentication. */
function openAdmin(sources: ConfigSources): readonly Problem[] {
  const host = valueAt(sources.value, ["admin", "host"]);
  if (typeof host !== "string" || isLoopback(host)) return [];
  const has = (key: string) => entriesOf(valueAt(sources.value, ["admin", key])).length > 0;
  if (valueAt(sources.value, ["admin", "token"]) !== undefined || has("users") || has("tokens")) return [];
  const why =
    "the admin API requires authentication on an address other than loopback; set ADMIN_TOKEN, admin.token or admin.users";
  return [sources.problemOf({ path: ["admin", "host"], why, value: host })];
}

/** Without logins the dashboard acts for everybody who reaches it; a token does not authenticate its users. */
function openDashboard(sources: ConfigSources, isOpened: boolean): readonly Problem[] {
  const host = valueAt(sources.value, ["dashboard", "host"]);
  if (!isOpened || typeof host !== "string" || isLoopback(host)) return [];
  if (entriesOf(valueAt(sources.value, ["admin", "users"])).length > 0) return [];
  const why = "the dashboard requires logins on an address other than loopback; set admin.users";
  return [sources.problemOf({ path: ["dashboard", "host"], why, value: host })];
}

/** Users and programs share one set of names, because the event log stores only the name. Case is ignored. */
function repeatedAccounts(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return ["users", "tokens"].flatMap((list) =>
    entriesOf(valueAt(sources.value, ["admin", list])).flatMap(([index, account]) => {
      const path = ["admin", list, index, "name"];
      const name = valueAt(account, ["name"]);
      if (typeof name !== "string") return [];
      const owner = owners.get(name.toLowerCase());
      if (!owner) owners.set(name.toLowerCase(), path);
      const isReserved = reservedNames.has(name.toLowerCase());
      if (!owner && !isReserved) return [];
      const why = isReserved
        ? "this name is reserved for the balancer"
        : `${sources.subjectOf(owner ?? path)} already uses this name`;
      return [sources.problemOf({ path, why, value: name })];
    }),
  );
}

/** "ann (operator)": name and role; hashes are never shown. */
export function describeAccount({ name, role }: { readonly name: string; readonly role: Role }): string {
  return `${name} (${role})`;
}
