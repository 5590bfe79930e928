/** Checks of the settings that decide who is served. They accept invalid values, so that one problem does not hide another. */

import { hopByHop } from "../proxy/forwarding.ts";
import { foldedName, isFraming } from "../proxy/head-edit.ts";
import type { Config } from "./config.ts";
import { cidrProblem } from "./network.ts";
import { closestWord, maxProblems, type Path, type Problem } from "./problem.ts";
import { settingsOwners } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

export function accessChecks(sources: ConfigSources): readonly Problem[] {
  return [
    ...unknownNetworks(sources),
    ...usersOfBasicAuth(sources),
    ...unwritableFields(sources),
    ...unaskablePools(sources),
  ];
}

/** Every basicAuth has users, and each name once. */
function usersOfBasicAuth(sources: ConfigSources): readonly Problem[] {
  return settingsOwners(sources).flatMap((owner) => {
    const path = [...owner.path, "basicAuth"];
    const basicAuth = valueAt(sources.value, path);
    if (typeof basicAuth !== "object" || basicAuth === null) return [];
    const users = entriesOf(valueAt(basicAuth, ["users"]));
    if (users.length === 0 && valueAt(basicAuth, ["usersFile"]) === undefined)
      return [sources.problemOf({ path, why: "expected users, usersFile or both" })];
    const seen = new Set<unknown>();
    return users.flatMap(([index, user]) => {
      const name = valueAt(user, ["name"]);
      const isNew = !seen.has(name);
      seen.add(name);
      if (isNew) return [];
      const why = "another user has this name already";
      return [sources.problemOf({ path: [...path, "users", index, "name"], why, value: name })];
    });
  });
}

/** Settings that name fields which a filter writes. */
const writtenFields: readonly Path[] = [
  ["basicAuth", "forward"],
  ["forwardAuth", "copy"],
  ["forwardAuth", "copyToClient"],
];

/** Rejects fields that frame a message, belong to one connection, or are the balancer's own. */
function unwritableFields(sources: ConfigSources): readonly Problem[] {
  return settingsOwners(sources).flatMap((owner) =>
    writtenFields.flatMap((setting) => {
      const path = [...owner.path, ...setting];
      const value = valueAt(sources.value, path);
      const named = typeof value === "string" ? [{ path, name: value }] : namesIn(path, value);
      return named.flatMap(({ path, name }) => {
        if (typeof name !== "string" || !isUnwritable(name)) return [];
        const why = "no filter may write this field";
        return [sources.problemOf({ path, why, value: name })];
      });
    }),
  );
}

function namesIn(path: Path, value: unknown): readonly { readonly path: Path; readonly name: unknown }[] {
  return entriesOf(value).map(([index, name]) => ({ path: [...path, index], name }));
}

/** Which the balancer writes itself. */
const ownFields = /^(x-forwarded-(for|proto|host|port)|forwarded|via|x-request-id|traceparent)$/;

function isUnwritable(name: string): boolean {
  const folded = foldedName(name);
  return isFraming(folded) || hopByHop.has(folded) || ownFields.test(folded);
}

/** A text without dot, colon and slash is meant as a name. */
const namePattern = /^[^.:/]*$/;

/** Rejects entries of allow and deny that are neither addresses nor names under `networks`. */
function unknownNetworks(sources: ConfigSources): readonly Problem[] {
  const known = entriesOf(valueAt(sources.value, ["networks"])).map(([name]) => name);
  const names = new Set(known);
  let unknown = 0;
  return settingsOwners(sources).flatMap((owner) =>
    ["allow", "deny"].flatMap((key) =>
      entriesOf(valueAt(sources.value, [...owner.path, key])).flatMap(([index, text]) => {
        if (typeof text !== "string" || names.has(text)) return [];
        const why = cidrProblem(text);
        if (why === undefined) return [];
        unknown += 1;
        const path = [...owner.path, key, index];
        if (!namePattern.test(text)) return [sources.problemOf({ path, why, value: text })];
        const suggestion = unknown > maxProblems ? undefined : closestWord(text, known);
        const unknownName = "there is no such name under networks";
        return [sources.problemOf({ path, why: unknownName, value: text, suggestion })];
      }),
    ),
  );
}

/** Rejects pools of forwardAuth that need more than plain HTTP/1.1. */
function unaskablePools(sources: ConfigSources): readonly Problem[] {
  return settingsOwners(sources).flatMap((owner) => {
    const path = [...owner.path, "forwardAuth", "pool"];
    const name = valueAt(sources.value, path);
    if (typeof name !== "string") return [];
    const pool = valueAt(sources.value, ["pools", name]);
    const members = [pool, ...entriesOf(valueAt(pool, ["upstreams"])).map(([, upstream]) => upstream)];
    const setting = members.some((member) => valueAt(member, ["http2"]) === true)
      ? "http2"
      : valueAt(pool, ["proxyProtocol"]) !== undefined && "proxyProtocol";
    if (setting === false) return [];
    const why = `authorization servers are asked over HTTP/1.1 without a PROXY header; leave ${setting} out of the pool`;
    return [sources.problemOf({ path, why, value: name })];
  });
}

/** Sentences about limits that count by something that no request of their route has, and that no other balancer shares. */
export function accessWarnings(config: Pick<Config, "routes" | "listeners" | "fleet">): readonly string[] {
  return [...missingKeys(config), ...sharedAlone(config)];
}

function sharedAlone({ routes, fleet }: Pick<Config, "routes" | "fleet">): readonly string[] {
  if (fleet) return [];
  return routes.flatMap(({ place, settings }) =>
    [settings.rateLimit ?? []].flat().some(({ shared }) => shared === true)
      ? [`${place}.rateLimit: shared has no effect, because there is no fleet`]
      : [],
  );
}

function missingKeys({ routes, listeners }: Pick<Config, "routes" | "listeners">): readonly string[] {
  return routes.flatMap((route) =>
    [route.settings.rateLimit ?? []].flat().flatMap(({ key = "client", missing = "client" }) => {
      const why = missingKeyReason(key, route, listeners);
      const effect = missing === "client" ? "each client has a limit instead" : "all requests get 429";
      return why === undefined
        ? []
        : [`${route.place}.rateLimit: key ${key} is never there, ${why}; ${effect}`];
    }),
  );
}

function missingKeyReason(
  key: string,
  { settings, conditions }: Config["routes"][number],
  listeners: Config["listeners"],
): string | undefined {
  const { basicAuth, forwardAuth } = settings;
  if (key === "user" && !basicAuth && !forwardAuth?.copy)
    return "because the route has neither basicAuth nor forwardAuth with copy";
  if (key === "tls.fingerprint" && !listeners.some(({ tls }) => tls?.clientCertificates))
    return "because no listener asks for client certificates";
  if (!key.startsWith("path.")) return undefined;
  const name = key.slice("path.".length);
  const isCaptured = new RegExp(`\\{${name}(\\.\\.\\.)?\\}`).test(conditions.path?.text ?? "");
  return isCaptured ? undefined : `because the path of the route has no {${name}}`;
}
