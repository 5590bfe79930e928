/** Checks of names: those of pools, listeners and profiles that nothing defines, and profiles that use each other. */

import { closestWord, listNames, maxProblems, type Path, type Problem } from "./problem.ts";
import { settingsOwners } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

export interface UsedName {
  readonly path: Path;
  /** Anything but a text is a problem of the schema. */
  readonly name: unknown;
}

/** @param kind what the names stand for: "pool" */
export function unknownNames(
  sources: ConfigSources,
  kind: string,
  known: readonly string[],
  used: readonly UsedName[],
): readonly Problem[] {
  const defined = new Set(known);
  return used
    .filter(({ name }) => typeof name === "string" && !defined.has(name))
    .map(({ path, name }, index) => {
      // A comparison with every name is slow, and no more problems than these are shown.
      const suggestion = index < maxProblems ? closestWord(String(name), known) : undefined;
      const hint = known.length === 0 ? "there is none" : `expected one of ${listNames(known)}`;
      const why = suggestion === undefined ? `unknown ${kind}; ${hint}` : `unknown ${kind}`;
      return sources.problemOf({ path, why, value: name, suggestion });
    });
}

/** A route with an unknown profile would be without its filters. */
export function profileChecks(sources: ConfigSources): readonly Problem[] {
  const known = entriesOf(valueAt(sources.value, ["profiles"])).map(([name]) => name);
  const used = settingsOwners(sources).flatMap(({ path, value }) =>
    usesOf(path, value).filter(({ name }) => name !== "none" || !isWithout(path, value)),
  );
  return [...unknownNames(sources, "profile", known, used), ...circles(sources)];
}

/** `use: none` of a route: without defaults. */
function isWithout([section]: Path, settings: unknown): boolean {
  return section === "routes" && valueAt(settings, ["use"]) === "none";
}

function usesOf(owner: Path, settings: unknown): readonly UsedName[] {
  const use = valueAt(settings, ["use"]);
  const path = [...owner, "use"];
  if (Array.isArray(use))
    return use.map((name: unknown, index) => ({ path: [...path, String(index)], name }));
  return use === undefined ? [] : [{ path, name: use }];
}

/** Profiles that use themselves, straight or through others. */
function circles(sources: ConfigSources): readonly Problem[] {
  const profiles = new Map(entriesOf(valueAt(sources.value, ["profiles"])));
  const finished = new Set<string>();
  const visit = (profile: string, through: readonly string[]): readonly Problem[] => {
    if (finished.has(profile)) return [];
    const way = [...through, profile];
    const problems = usesOf(["profiles", profile], profiles.get(profile)).flatMap(({ path, name }) => {
      if (typeof name !== "string" || !profiles.has(name)) return [];
      if (!way.includes(name)) return visit(name, way);
      const circle = [...way.slice(way.indexOf(name)), name].join(", ");
      return [sources.problemOf({ path, why: `the profiles use each other: ${circle}; leave it out`, value: name })]; // prettier-ignore
    });
    finished.add(profile);
    return problems;
  };
  return [...profiles.keys()].flatMap((name) => visit(name, []));
}
