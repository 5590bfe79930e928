/** Steps of a plan for routes: which ones come, go or move, and which settings of the others change. */

import type { Config, RouteConfig } from "../config/config.ts";
import { settingsFileOfRoute } from "../config/to-file.ts";
import { hashString } from "../lib/hash.ts";
import { differences, flatTexts, type Settings, type Step } from "./step.ts";

/** More routes than that on each side are counted, not listed. */
const maxListed = 20;

type Routing = Pick<Config, "routes" | "defaults">;

/** The order of routes is one step, since it decides among routes with the same host and path. */
export function routeSteps(before: Routing, after: Routing): readonly Step[] {
  const [from, to] = [before.routes.map(describeRoute), after.routes.map(describeRoute)];
  const isSameList = from.length === to.length && from.every((text, index) => text === to[index]);
  const listed: readonly Step[] = isSameList
    ? []
    : [{ action: "change", subject: "routes", from: listOf(from), to: listOf(to) }];
  return [...listed, ...settingSteps(before.routes, after.routes), ...defaultSteps(before, after)];
}

/** "shop.example/api POST → api" */
function describeRoute({ name, conditions, pool, split, redirect }: RouteConfig): string {
  const { hosts = [], path, ...others } = conditions;
  const place = `${hosts.join(",")}${path ? path.text + (path.kind === "exact" ? " exactly" : "") : ""}`;
  const more = Object.keys(others).length > 0 ? ` ${textOfConditions(others)}` : "";
  const ends =
    pool ?? (split ? Object.keys(split.pools).join(" or ") : redirect ? redirect.to : "a response");
  return `${name === undefined ? "" : `${name}: `}${place || "*"}${more} → ${ends}`;
}

function textOfConditions(conditions: object): string {
  return Object.entries(flatTexts(conditions))
    .map(([key, text]) => `${key}=${text}`)
    .join(" ");
}

function listOf(routes: readonly string[]): string {
  const more = routes.length - maxListed;
  const shown = routes.slice(0, maxListed).join("; ");
  return more > 0 ? `${shown}; and ${more} more` : shown || "none";
}

/** Compares the routes that have the same conditions and lead to the same place, in turn. */
function settingSteps(before: readonly RouteConfig[], after: readonly RouteConfig[]): readonly Step[] {
  const earlier = new Map<string, RouteConfig[]>();
  for (const route of before) {
    const text = describeRoute(route);
    earlier.set(text, [...(earlier.get(text) ?? []), route]);
  }
  return after.flatMap((route) => {
    const same = earlier.get(describeRoute(route))?.shift();
    return same ? changesIn(route.place, settingsIn(same), settingsIn(route)) : [];
  });
}

function defaultSteps(before: Routing, after: Routing): readonly Step[] {
  const settingsOf = ({ defaults }: Routing) => (defaults ? settingsIn(defaults) : {});
  return changesIn("defaults", settingsOf(before), settingsOf(after));
}

function changesIn(owner: string, before: Settings, after: Settings): readonly Step[] {
  return differences(before, after).map(({ key, ...values }) => ({
    action: "change",
    subject: "routes",
    key: `${owner}.${key}`,
    ...values,
  }));
}

/** With digests of what is not shown: hashes of passwords, and the contents of files. */
function settingsIn(route: Pick<RouteConfig, "settings" | "texts">): Settings {
  const { settings, texts } = route;
  const users = settings.basicAuth?.users;
  const files = Object.entries(texts).map(([path, text]) => [path, digestOf(text)] as const);
  return {
    ...flatTexts(settingsFileOfRoute(settings)),
    ...(users && { "basicAuth.users": digestOf(JSON.stringify(users)) }),
    ...Object.fromEntries(files),
  };
}

function digestOf(text: string): string {
  return `#${hashString(text).toString(16)}`;
}
