/** Checks of the client listeners that involve several settings. */

import { defaults, hstsDefaults } from "./config.ts";
import type { Path, Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { ageProblem, ageSecondsOf } from "./values.ts";

/** What the runtime can serve. */
export interface ServedProtocols {
  readonly http3: boolean;
}

export function listenerChecks(sources: ConfigSources, served: ServedProtocols): readonly Problem[] {
  return [
    ...repeatedListeners(sources),
    ...unservedProtocols(sources),
    ...unservedHttp3(sources, served),
    ...unreadHeaders(sources),
    ...unlistedHosts(sources),
    ...aimlessRedirects(sources),
    ...refusedHosts(sources),
  ];
}

/** The client listener may be a list. */
export function listenerPathsIn(value: unknown, key = "listen"): readonly Path[] {
  const given = valueAt(value, [key]);
  return Array.isArray(given) ? given.map((_, index) => [key, String(index)]) : [[key]];
}

function repeatedListeners(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return listenerPathsIn(sources.value).flatMap((path, index) => {
    const given = valueAt(sources.value, [...path, "name"]);
    const name = given ?? (index === 0 ? defaults.listen.name : `listen-${index + 1}`);
    if (typeof name !== "string") return [];
    const owner = owners.get(name);
    if (!owner) owners.set(name, path);
    if (!owner) return [];
    const why = `${sources.subjectOf(owner)} already has this name`;
    return [sources.problemOf({ path: [...path, "name"], why, value: name })];
  });
}

/** The fetch engine cannot serve what the runtime's server does not offer to it. */
function unservedProtocols(sources: ConfigSources): readonly Problem[] {
  if (valueAt(sources.value, ["engine"]) !== "fetch") return [];
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const path = [...listener, "protocols"];
    const value = valueAt(sources.value, path);
    if (!Array.isArray(value) || value.every((protocol) => protocol === "http1")) return [];
    const why = "the fetch engine serves http1 only; leave protocols out, or use the wire engine";
    return [sources.problemOf({ path, why, value })];
  });
}

/** HTTP/3 comes from the runtime's server, which knows neither certificates of clients nor PROXY headers. */
function unservedHttp3(sources: ConfigSources, served: ServedProtocols): readonly Problem[] {
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const path = [...listener, "http3"];
    const has = (...keys: readonly string[]) => valueAt(sources.value, [...listener, ...keys]) !== undefined;
    if (valueAt(sources.value, path) !== true) return [];
    const reasons = [
      ...(served.http3 ? [] : ["only Bun serves HTTP/3; leave it out under Deno"]),
      ...(has("tls") ? [] : ["HTTP/3 needs TLS; set tls"]),
      ...(has("tls", "clientCertificates") ? ["HTTP/3 cannot verify clientCertificates"] : []),
      ...(has("proxyProtocol") ? ["HTTP/3 has no PROXY headers; leave out proxyProtocol"] : []),
    ];
    return reasons.slice(0, 1).map((why) => sources.problemOf({ path, why, value: true }));
  });
}

/** Rejects the PROXY protocol where the bytes of a connection are not ours to read. */
function unreadHeaders(sources: ConfigSources): readonly Problem[] {
  const isFetch = valueAt(sources.value, ["engine"]) === "fetch";
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const path = [...listener, "proxyProtocol"];
    const value = valueAt(sources.value, path);
    if (value === undefined || !isFetch) return [];
    const why = "the fetch engine cannot read PROXY headers; leave it out, or use the wire engine";
    return [sources.problemOf({ path, why, value })];
  });
}

/** Rejects what the lists of browsers do not accept: https://hstspreload.org/#submission-requirements. */
function unlistedHosts(sources: ConfigSources): readonly Problem[] {
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const hsts = valueAt(sources.value, [...listener, "tls", "hsts"]);
    if (valueAt(hsts, ["preload"]) !== true) return [];
    const given = valueAt(hsts, ["maxAge"]) ?? "365d";
    const maxAge = given === 0 ? "0" : given;
    if (typeof maxAge !== "string" || ageProblem(maxAge) !== undefined) return [];
    const isLong = ageSecondsOf(maxAge) >= hstsDefaults.maxAgeSeconds;
    if (isLong && valueAt(hsts, ["subdomains"]) === true) return [];
    const path = [...listener, "tls", "hsts", "preload"];
    const why = "lists of browsers need subdomains: true and a maxAge of at least 365d";
    return [sources.problemOf({ path, why, value: true })];
  });
}

/** Rejects a redirect that leads nowhere, or that its clients never need. */
function aimlessRedirects(sources: ConfigSources): readonly Problem[] {
  const all = listenerPathsIn(sources.value);
  const hasTls = (listener: Path) => valueAt(sources.value, [...listener, "tls"]) !== undefined;
  const secure = all.filter(hasTls).length;
  return all.flatMap((listener) => {
    const path = [...listener, "redirect"];
    const value = valueAt(sources.value, path);
    if (value === undefined) return [];
    if (hasTls(listener))
      return [sources.problemOf({ path, why: "its clients use TLS already; leave it out", value })];
    if (valueAt(value, ["port"]) !== undefined || secure === 1) return [];
    const which = secure === 0 ? "there is no listener with TLS" : "there are several listeners with TLS";
    return [sources.problemOf({ path, why: `${which}; set the port: { to: https, port: 443 }`, value })];
  });
}

/** Rejects a rule for unknown hosts that refuses every request, or that the engine cannot follow. */
function refusedHosts(sources: ConfigSources): readonly Problem[] {
  const routes = entriesOf(valueAt(sources.value, ["routes"]));
  const namesHosts = routes.some(([, route]) => valueAt(route, ["host"]) !== undefined);
  const isFetch = valueAt(sources.value, ["engine"]) === "fetch";
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const path = [...listener, "unknownHosts"];
    const value = valueAt(sources.value, path);
    if (value !== 421 && value !== "close") return [];
    if (!namesHosts) return [sources.problemOf({ path, why: "no route names a host", value })];
    if (value === 421 || !isFetch) return [];
    const why =
      "the fetch engine cannot close a connection without a response; set 421, or use the wire engine";
    return [sources.problemOf({ path, why, value })];
  });
}
