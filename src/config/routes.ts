/** Routes of a configuration file in their effective form: profiles and defaults merged, conditions normalised. */

import type { PathCondition, RouteConditions } from "../routing/conditions.ts";
import type { Config, RouteConfig } from "./config.ts";
import { type FilterKey, filterKeys, type FilterSettings, type ProfileFile } from "./filter-schema.ts";
import type { conditionKeys, RouteFile } from "./route-schema.ts";
import type { ConfigFile } from "./schema.ts";

/** Maps of header fields, which are merged name by name; every other setting is replaced whole. */
const mergedByName: ReadonlySet<string> = new Set(["requestHeaders", "responseHeaders"]);

const filterNames = Object.keys(filterKeys) as FilterKey[];

type RoutingFile = Pick<ConfigFile, "routes" | "profiles" | "defaults">;

/**
 * Without routes all requests go to the first pool. With routes, requests without a route get 404.
 * @param texts contents of the files that routes name
 */
export function routeConfigsOf(
  { routes, profiles = {}, defaults }: RoutingFile,
  firstPool: string,
  texts: ReadonlyMap<string, string>,
): readonly RouteConfig[] {
  const given: readonly RouteFile[] = routes && routes.length > 0 ? routes : [{ pool: firstPool }];
  return given.map((route, index) => {
    const settings = mergedSettings(layersOf(route, profiles, defaults));
    const { name, pool, split, respond, redirect } = route;
    return {
      place: `routes[${index}]`,
      ...(name !== undefined && { name }),
      conditions: conditionsOf(route),
      ...(pool !== undefined && { pool }),
      ...(split && { split }),
      ...(respond && { respond }),
      ...(redirect === "none" && { isRedirected: false as const }),
      ...(redirect !== undefined &&
        redirect !== "none" && { redirect: typeof redirect === "string" ? { to: redirect } : redirect }),
      settings,
      texts: textsOf(settings, respond, texts),
    };
  });
}

/** The settings of routes that have none of their own. */
export function defaultSettingsOf(
  { profiles = {}, defaults }: RoutingFile,
  texts: ReadonlyMap<string, string>,
): Config["defaults"] {
  if (!defaults) return undefined;
  const settings = mergedSettings(layersOf({}, profiles, defaults));
  return { settings, texts: textsOf(settings, undefined, texts) };
}

type Layer = Readonly<Partial<Record<FilterKey, unknown>>>;

/** The settings that apply to a route: later ones win. A name that is unknown or in a circle is left out: `check` refuses it. */
export function layersOf(
  route: Pick<RouteFile, "use"> & Layer,
  profiles: Readonly<Record<string, ProfileFile>>,
  defaults: ProfileFile | undefined,
): readonly Layer[] {
  const withoutDefaults = route.use === "none" && !Object.hasOwn(profiles, "none");
  const base = withoutDefaults || !defaults ? [] : usedLayers(defaults, profiles, new Set());
  return [...base, ...usedLayers(route, profiles, new Set())];
}

function usedLayers(
  layer: Pick<RouteFile, "use"> & Layer,
  profiles: Readonly<Record<string, ProfileFile>>,
  seen: ReadonlySet<string>,
): readonly Layer[] {
  const names = layer.use === undefined ? [] : [layer.use].flat();
  const used = names.flatMap((name) => {
    const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
    return profile && !seen.has(name) ? usedLayers(profile, profiles, new Set([...seen, name])) : [];
  });
  return [...used, layer];
}

function mergedSettings(layers: readonly Layer[]): FilterSettings {
  const merged: Partial<Record<FilterKey, unknown>> = {};
  for (const layer of layers)
    for (const key of filterNames) {
      const value = layer[key];
      if (value === undefined) continue;
      if (value === null) delete merged[key];
      else merged[key] = mergedByName.has(key) ? withFields(merged[key], value) : value;
    }
  // Each value was checked against the schema of its key.
  return merged as FilterSettings;
}

interface FieldEdits {
  readonly remove?: readonly string[];
  readonly set?: Readonly<Record<string, string>>;
  readonly default?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
}

/** Names are compared without case, and a later text of a name replaces an earlier one in the same map. */
function withFields(earlier: unknown, later: unknown): FieldEdits {
  const [first, second] = [(earlier ?? {}) as FieldEdits, later as FieldEdits];
  const remove = [...new Set([...(first.remove ?? []), ...(second.remove ?? [])])];
  const fields = (key: "set" | "default" | "add") => {
    const both = mergedFields(first[key], second[key]);
    return Object.keys(both).length > 0 && { [key]: both };
  };
  return { ...(remove.length > 0 && { remove }), ...fields("set"), ...fields("default"), ...fields("add") };
}

function mergedFields(
  first: Readonly<Record<string, string>> = {},
  second: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const replaced = new Set(Object.keys(second).map((name) => name.toLowerCase()));
  const kept = Object.entries(first).filter(([name]) => !replaced.has(name.toLowerCase()));
  return { ...Object.fromEntries(kept), ...second };
}

/** The methods that READ stands for: they ask for nothing to be changed. */
const readMethods = ["GET", "HEAD", "OPTIONS"];

/** @param route with valid conditions */
export function conditionsOf(route: Pick<RouteFile, keyof typeof conditionKeys>): RouteConditions {
  const { host, path, method, header, query, cookie, client, listen } = route;
  const hosts = host === undefined ? undefined : [host].flat().map((name) => name.toLowerCase());
  const methods =
    method === undefined
      ? undefined
      : [method].flat().flatMap((word) => (word === "READ" ? readMethods : [word]));
  const headers =
    header && Object.entries(header).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    ...(hosts && { hosts }),
    ...(path !== undefined && { path: pathConditionOf(path) }),
    ...(methods && { methods: [...new Set(methods)] }),
    ...(headers && { headers: Object.fromEntries(headers.map(([name, value]) => [name, valuesOf(value)])) }),
    ...(query && { query: mapped(query) }),
    ...(cookie && { cookies: mapped(cookie) }),
    ...(client && { clients: client }),
    ...(listen !== undefined && { listeners: [listen].flat() }),
  };
}

function pathConditionOf(path: NonNullable<RouteFile["path"]>): PathCondition {
  if (typeof path === "object") return { kind: "exact", text: path.exact };
  return { kind: /[{}]/.test(path) ? "template" : "prefix", text: path };
}

type ValueFile = NonNullable<RouteFile["query"]>[string];

function mapped(values: Readonly<Record<string, ValueFile>>) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, valuesOf(value)]));
}

function valuesOf(value: ValueFile): readonly string[] | boolean {
  return typeof value === "boolean" ? value : [value].flat();
}

/** Contents of the files that one route names. */
function textsOf(
  { basicAuth, errorPages }: FilterSettings,
  respond: RouteFile["respond"],
  texts: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  const paths = [basicAuth?.usersFile, respond?.file, ...Object.values(errorPages ?? {})];
  const found = paths.flatMap((path) => {
    const text = path === undefined ? undefined : texts.get(path);
    return path === undefined || text === undefined ? [] : [[path, text] as const];
  });
  return Object.fromEntries(found);
}
