/** Checks of routes that involve several settings. They accept invalid values, so that one problem does not hide another. */

import { answerChecks } from "./answer-checks.ts";
import { conditionChecks } from "./condition-checks.ts";
import { headerChecks } from "./header-checks.ts";
import { pathChecks } from "./path-checks.ts";
import { accessChecks } from "./access-checks.ts";
import type { Path, Problem } from "./problem.ts";
import { settingsOwners } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { profileChecks, unknownNames, type UsedName } from "./name-checks.ts";

export function routeChecks(sources: ConfigSources): readonly Problem[] {
  return [
    ...ends(sources),
    ...unknownPools(sources),
    ...profileChecks(sources),
    ...splits(sources),
    ...conditionChecks(sources),
    ...accessChecks(sources),
    ...headerChecks(sources),
    ...pathChecks(sources),
    ...answerChecks(sources),
  ];
}

const endNames = ["pool", "split", "redirect", "respond"];

/** A route has one end. */
function ends(sources: ConfigSources): readonly Problem[] {
  return entriesOf(valueAt(sources.value, ["routes"])).flatMap(([index, route]) => {
    if (typeof route !== "object" || route === null) return [];
    const isEnd = (name: string) => name !== "redirect" || valueAt(route, ["redirect"]) !== "none";
    const found = endNames.filter((name) => valueAt(route, [name]) !== undefined && isEnd(name));
    if (found.length === 1) return [];
    const why =
      found.length === 0
        ? "expected where its requests go: pool, split, redirect or respond"
        : `expected only one of ${found.join(" and ")}`;
    return [sources.problemOf({ path: ["routes", index], why })];
  });
}

/** Names of pools in routes, and in the settings that routes share. */
function unknownPools(sources: ConfigSources): readonly Problem[] {
  const pools = entriesOf(valueAt(sources.value, ["pools"])).map(([name]) => name);
  return unknownNames(sources, "pool", pools, poolPathsIn(sources));
}

function poolPathsIn(sources: ConfigSources): readonly UsedName[] {
  const { value } = sources;
  const routes = entriesOf(valueAt(value, ["routes"])).map(([index]): Path => ["routes", index]);
  const named = (path: Path): UsedName => ({ path, name: valueAt(value, path) });
  return [
    ...routes.flatMap((route) => [
      named([...route, "pool"]),
      ...entriesOf(valueAt(value, [...route, "split", "pools"])).map(([name]) => ({
        path: [...route, "split", "pools", name],
        name,
      })),
    ]),
    ...settingsOwners(sources).map((owner) => named([...owner.path, "forwardAuth", "pool"])),
  ];
}

/** A split needs several pools, and a weight. */
function splits(sources: ConfigSources): readonly Problem[] {
  return entriesOf(valueAt(sources.value, ["routes"])).flatMap(([index]) => {
    const path = ["routes", index, "split", "pools"];
    const pools = entriesOf(valueAt(sources.value, path));
    if (pools.length === 0) return [];
    if (pools.length === 1)
      return [
        sources.problemOf({ path, why: `expected at least two pools; for one set pool: ${pools[0]?.[0]}` }),
      ];
    if (pools.some(([, weight]) => weight !== 0)) return [];
    return [sources.problemOf({ path, why: "every weight is 0, so that no request has a pool" })];
  });
}
