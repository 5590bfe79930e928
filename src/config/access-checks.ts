/** Checks of the settings that decide who is served. They accept invalid values, so that one problem does not hide another. */

import { cidrProblem } from "./network.ts";
import { closestWord, maxProblems, type Path, type Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

export function accessChecks(sources: ConfigSources): readonly Problem[] {
  return [...unknownNetworks(sources)];
}

/** Where the settings of routes may stand. */
function settingOwners(value: unknown): readonly Path[] {
  return [
    ...entriesOf(valueAt(value, ["routes"])).map(([index]): Path => ["routes", index]),
    ...entriesOf(valueAt(value, ["profiles"])).map(([name]): Path => ["profiles", name]),
    ["defaults"],
  ];
}

/** A text without dot, colon and slash is meant as a name. */
const namePattern = /^[^.:/]*$/;

/** Rejects entries of allow and deny that are neither addresses nor names under `networks`. */
function unknownNetworks(sources: ConfigSources): readonly Problem[] {
  const known = entriesOf(valueAt(sources.value, ["networks"])).map(([name]) => name);
  const names = new Set(known);
  let unknown = 0;
  return settingOwners(sources.value).flatMap((owner) =>
    ["allow", "deny"].flatMap((key) =>
      entriesOf(valueAt(sources.value, [...owner, key])).flatMap(([index, text]) => {
        if (typeof text !== "string" || names.has(text)) return [];
        const why = cidrProblem(text);
        if (why === undefined) return [];
        unknown += 1;
        const path = [...owner, key, index];
        if (!namePattern.test(text)) return [sources.problemOf({ path, why, value: text })];
        const suggestion = unknown > maxProblems ? undefined : closestWord(text, known);
        const unknownName = "there is no such name under networks";
        return [sources.problemOf({ path, why: unknownName, value: text, suggestion })];
      }),
    ),
  );
}
