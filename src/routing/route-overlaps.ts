/** Routes that no request reaches, and what a client gets that does not meet the condition of one. Time near linear in the routes. */

import type { RequestHead } from "../proxy/request-head.ts";
import type { RouteConditions, ValueCondition } from "./conditions.ts";
import { parsePathPattern, type PathPattern, patternKey } from "./path-pattern.ts";
import { createRouteTable } from "./route-table.ts";

/** A route that has no requests, and the earlier one that takes them. */
export interface ShadowedRoute {
  readonly index: number;
  readonly by: number;
  /** Undefined for routes of every host. */
  readonly host: string | undefined;
  /** Whether both have the same conditions. */
  readonly isSame: boolean;
}

/** The routes of one host and path. */
interface PlaceGroup {
  otherwise: number | undefined;
  readonly conditional: { readonly index: number; readonly named: NamedConditions }[];
  readonly byConditions: Map<string, number>;
}

/** Later routes are compared with so many earlier ones of the same host and path. */
const maxCompared = 32;

/** @param routes undefined for one that is not valid */
export function shadowedRoutes(routes: readonly (RouteConditions | undefined)[]): readonly ShadowedRoute[] {
  const groups = new Map<string, PlaceGroup>();
  const shadowed: ShadowedRoute[] = [];
  for (const [index, conditions] of routes.entries()) {
    if (!conditions) continue;
    const key = placeKey(conditions);
    const named = otherConditions(conditions);
    const conditionsKey = keyOfConditions(named);
    for (const host of key === undefined ? [] : (conditions.hosts ?? [undefined])) {
      const group = groupOf(groups, `${host ?? ""} ${key}`);
      const found = takerIn(group, named, conditionsKey);
      if (!found) addTo(group, named, conditionsKey, index);
      else if (shadowed.at(-1)?.index !== index) shadowed.push({ index, host, ...found });
    }
  }
  return [...shadowed, ...behindRest(groups)];
}

/** A route without a path takes the same requests as one for "/". */
function placeKey({ path }: RouteConditions): string | undefined {
  const pattern = path && parsePathPattern(path);
  if (!pattern) return rootKey;
  return "problem" in pattern ? undefined : patternKey(pattern);
}

const rootKey = patternKey({ segments: [], end: "slash" });

function groupOf(groups: Map<string, PlaceGroup>, key: string): PlaceGroup {
  const existing = groups.get(key);
  if (existing) return existing;
  const group: PlaceGroup = { otherwise: undefined, conditional: [], byConditions: new Map() };
  groups.set(key, group);
  return group;
}

type NamedConditions = readonly (readonly [name: string, value: ValueCondition])[];

/** The conditions beyond host and path. */
function otherConditions(conditions: RouteConditions): NamedConditions {
  const { methods, headers = {}, query = {}, cookies = {}, clients, listeners } = conditions;
  const named = (kind: string, values: Readonly<Record<string, ValueCondition>>) =>
    Object.entries(values).map(([name, value]) => [`${kind} ${name}`, value] as const);
  return [
    ...(methods ? [["method", methods] as const] : []),
    ...named("header", headers),
    ...named("query", query),
    ...named("cookie", cookies),
    ...(clients ? [["client", clients] as const] : []),
    ...(listeners ? [["listener", listeners] as const] : []),
  ];
}

function keyOfConditions(conditions: NamedConditions): string {
  const sorted = conditions
    .map(([name, value]) => [name, typeof value === "boolean" ? value : value.toSorted()] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(sorted);
}

const noConditions = "[]";

function addTo(group: PlaceGroup, named: NamedConditions, key: string, index: number): void {
  if (key === noConditions) return void (group.otherwise = index);
  group.byConditions.set(key, index);
  if (group.conditional.length < maxCompared) group.conditional.push({ index, named });
}

function takerIn(
  group: PlaceGroup,
  named: NamedConditions,
  key: string,
): Pick<ShadowedRoute, "by" | "isSame"> | undefined {
  const same = key === noConditions ? group.otherwise : group.byConditions.get(key);
  if (same !== undefined) return { by: same, isSame: true };
  if (key === noConditions || group.conditional.length === 0) return undefined;
  const values = new Map(named);
  const found = group.conditional.find((earlier) => includes(earlier.named, values));
  return found && { by: found.index, isSame: false };
}

/** Whether every request that meets the narrow conditions meets the wide ones, as far as lists of values show it. */
function includes(wide: NamedConditions, narrow: ReadonlyMap<string, ValueCondition>): boolean {
  return wide.every(([name, value]) => {
    const other = narrow.get(name);
    if (other === undefined) return false;
    if (typeof value === "boolean") return value ? other !== false : other === false;
    if (typeof other === "boolean") return false;
    const allowed = new Set(value);
    return other.every((one) => allowed.has(one));
  });
}

/** `/x/{rest...}` takes what `/x/` would. */
function behindRest(groups: ReadonlyMap<string, PlaceGroup>): readonly ShadowedRoute[] {
  return [...groups].flatMap(([key, { otherwise, byConditions }]) => {
    if (!key.endsWith(" slash")) return [];
    const by = groups.get(`${key.slice(0, -"slash".length)}rest`)?.otherwise;
    if (by === undefined) return [];
    const host = key.slice(0, key.indexOf(" ")) || undefined;
    const behind = [...byConditions.values(), ...(otherwise === undefined ? [] : [otherwise])];
    return behind.map((index) => ({ index, by, host, isSame: false }));
  });
}

/** A route with a condition on clients, and the one that other clients get. */
export interface ClientFall {
  readonly index: number;
  readonly to: number;
}

/** @param firstListener name of the listener that a request comes to if a route names none */
export function clientFalls(
  routes: readonly RouteConditions[],
  firstListener: string,
): readonly ClientFall[] {
  if (routes.every(({ clients }) => clients === undefined)) return [];
  const entries = routes.map((conditions, index) => ({ conditions, route: { place: String(index) } }));
  const table = createRouteTable(entries, { takesAmbiguousPaths: true });
  return routes.flatMap((conditions, index) => {
    if (conditions.clients === undefined) return [];
    for (const host of conditions.hosts ?? [""]) {
      const found = table.find(exampleOf(conditions, host, firstListener));
      if (found?.route) return [{ index, to: Number(found.route.place) }];
    }
    return [];
  });
}

/** A request that meets all conditions but the one on clients. */
function exampleOf(conditions: RouteConditions, host: string, firstListener: string): RequestHead {
  const { methods, headers = {}, query = {}, cookies = {}, listeners, path } = conditions;
  const pairs = (values: Readonly<Record<string, ValueCondition>>) =>
    Object.entries(values).flatMap(([name, value]) => {
      const text = exampleValue(value);
      return text === undefined ? [] : [[name, text] as [string, string]];
    });
  const search = pairs(query).map((pair) => pair.map(encodeURIComponent).join("=")).join("&"); // prettier-ignore
  const fields = new Map(pairs(headers));
  if (Object.keys(cookies).length > 0)
    fields.set("cookie", pairs(cookies).map((pair) => pair.join("=")).join("; ")); // prettier-ignore
  const pattern = path && parsePathPattern(path);
  const target = pattern && !("problem" in pattern) ? examplePath(pattern) : "/";
  return {
    method: methods?.[0] ?? "GET",
    target: search === "" ? target : `${target}?${search}`,
    host: host.replace(/^\*/, otherWord),
    peerAddress: "",
    clientAddress: "",
    scheme: "http",
    listener: listeners?.[0] ?? firstListener,
    header: (name) => fields.get(name),
  };
}

/** A word that no route has. */
const otherWord = "another-word";

function exampleValue(condition: ValueCondition): string | undefined {
  if (typeof condition !== "boolean") return condition[0];
  return condition ? otherWord : undefined;
}

function examplePath({ segments, end }: PathPattern): string {
  const path = segments.map(({ text }) => `/${text ?? otherWord}`).join("");
  return end === "exact" || end === "prefix" ? path : `${path}/`;
}
