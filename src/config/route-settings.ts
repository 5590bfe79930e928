/** The settings of routes with the places where they stand: in the route, its profiles or the defaults. */

import { parametersIn } from "../filter/path-segments.ts";
import { parseTemplate } from "../filter/template.ts";
import { type VariableUse, variableNames, variableProblem } from "../filter/variables.ts";
import { closestWord, type Path, type Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

/** Settings of a route, a profile or the defaults. */
export interface SettingsOwner {
  readonly path: Path;
  readonly value: unknown;
  /** Parameters of its path; undefined for settings that several routes may share. */
  readonly captures?: readonly string[];
}

/** All of them, in the order of the file. */
export function settingsOwners({ value }: ConfigSources): readonly SettingsOwner[] {
  const at = (path: Path): SettingsOwner => ({ path, value: valueAt(value, path) });
  return [
    ...entriesOf(valueAt(value, ["routes"])).map(([index, route]) => ({
      path: ["routes", index],
      value: route,
      captures: capturesOf(route),
    })),
    ...entriesOf(valueAt(value, ["profiles"])).map(([name]) => at(["profiles", name])),
    at(["defaults"]),
  ];
}

export function capturesOf(route: unknown): readonly string[] {
  const path = valueAt(route, ["path"]);
  return typeof path === "string" ? parametersIn(path) : [];
}

/** A route with all that applies to it. */
export interface PlacedRoute {
  readonly path: Path;
  readonly route: unknown;
  /** In the order in which they apply: defaults, profiles, the route itself. */
  readonly layers: readonly SettingsOwner[];
  /** The setting that counts, with its place; undefined if there is none, or it is removed. */
  find(key: string): SettingsOwner | undefined;
}

export function placedRoutes({ value }: ConfigSources): readonly PlacedRoute[] {
  const profileAt = (name: unknown): SettingsOwner | undefined => {
    const path = ["profiles", String(name)];
    const profile = valueAt(value, path);
    return profile === undefined ? undefined : { path, value: profile };
  };
  const withProfiles = (owner: SettingsOwner, seen: readonly unknown[]): readonly SettingsOwner[] => {
    const use = valueAt(owner.value, ["use"]);
    const names: readonly unknown[] = use === undefined ? [] : Array.isArray(use) ? use : [use];
    const used = names.flatMap((name) => {
      const profile = seen.includes(name) ? undefined : profileAt(name);
      return profile ? withProfiles(profile, [...seen, name]) : [];
    });
    return [...used, owner];
  };
  const defaults: SettingsOwner = { path: ["defaults"], value: valueAt(value, ["defaults"]) };
  const ofDefaults = defaults.value === undefined ? [] : withProfiles(defaults, []);
  return entriesOf(valueAt(value, ["routes"])).map(([index, route]) => {
    const isAlone = valueAt(route, ["use"]) === "none" && !profileAt("none");
    const own = withProfiles({ path: ["routes", index], value: route }, []);
    const layers = isAlone ? own : [...ofDefaults, ...own];
    return {
      path: ["routes", index],
      route,
      layers,
      find(key) {
        const owner = layers.findLast((layer) => valueAt(layer.value, [key]) !== undefined);
        const found = valueAt(owner?.value, [key]);
        return owner && found !== null ? { path: [...owner.path, key], value: found } : undefined;
      },
    };
  });
}

/** What is wrong with the variables of a text. @param captures undefined where the route is not known */
export function templateProblems(
  sources: ConfigSources,
  { path, value }: SettingsOwner,
  use: VariableUse,
  captures: readonly string[] | undefined,
): readonly Problem[] {
  if (typeof value !== "string") return [];
  const { parts, isUnclosed } = parseTemplate(value);
  const unclosed = "${ has no }; write $$ for a dollar sign";
  return [
    ...(isUnclosed ? [sources.problemOf({ path, why: unclosed, value })] : []),
    ...parts.flatMap(({ name }) => {
      const found = name === undefined ? undefined : variableProblem(name, use, captures);
      if (name === undefined || !found) return [];
      const known = variableNames(use, captures).filter((word) => sameFamily(word, name));
      const suggestion = found.instead ?? closestWord(name, known);
      return [
        sources.problemOf({ path, why: found.why, value, suggestion: suggestion && `\${${suggestion}}` }),
      ];
    }),
  ];
}

/** A parameter of the path is no misspelt variable, nor the other way round. */
function sameFamily(one: string, other: string): boolean {
  return one.startsWith("path.") === other.startsWith("path.");
}

/** The parameters of a path that a text asks for, and the path does not have. */
export function unknownCaptures(text: unknown, captures: readonly string[]): readonly string[] {
  if (typeof text !== "string") return [];
  return variablesIn(text).filter(
    (name) => name.startsWith("path.") && !captures.includes(name.slice("path.".length)),
  );
}

export function variablesIn(text: string): readonly string[] {
  return parseTemplate(text).parts.flatMap(({ name }) => (name === undefined ? [] : [name]));
}
