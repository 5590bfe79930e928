/** Checks what the configuration uses of extensions: filters of routes, policies of pools and formats of alerts. */

import type { Extensions } from "../extension/extensions.ts";
import { extensionPolicyIn, type PolicyName } from "../policy/policies.ts";
import { alertFormatProblems } from "./alert-checks.ts";
import { closestWord, type Path, type Problem } from "./problem.ts";
import { settingsOwners } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

/** What is known of a file of extensions: what it exports, or why it cannot be used. */
export type FoundExtensions = Extensions | { readonly why: string };

/** @returns undefined for a file that is not loaded yet: then nothing of it is checked */
export type FindExtensions = (path: string) => FoundExtensions | undefined;

export interface ExtensionOptions {
  readonly find: FindExtensions;
  /** The file that is used where the configuration names none. */
  readonly defaultPath?: string | undefined;
}

/** The file of extensions; undefined without one. */
export function extensionPathIn(
  value: unknown,
  { defaultPath }: Pick<ExtensionOptions, "defaultPath">,
): string | undefined {
  const given = valueAt(value, ["extensions"]);
  return typeof given === "string" && given.trim() !== "" ? given : defaultPath;
}

export function extensionChecks(sources: ConfigSources, options: ExtensionOptions): readonly Problem[] {
  const path = extensionPathIn(sources.value, options);
  const found = path === undefined ? undefined : options.find(path);
  if (found && "why" in found)
    return [sources.problemOf({ path: ["extensions"], why: found.why, value: path })];
  if (path !== undefined && !found) return [];
  return [
    ...filterProblems(sources, found),
    ...policyProblems(sources, found),
    ...alertFormatProblems(sources, found?.alertFormatNames ?? []),
  ];
}

function filterProblems(sources: ConfigSources, found: Extensions | undefined): readonly Problem[] {
  return settingsOwners(sources).flatMap((owner) =>
    entriesOf(valueAt(owner.value, ["filters"])).flatMap(([index, value]) => {
      const path = [...owner.path, "filters", index];
      const use = filterUseOf(value);
      if (!use) return [];
      const known = found?.filterNames ?? [];
      if (!known.includes(use.name)) return [unknownName(sources, { path, name: use.name, known })];
      const why = found?.filterProblem(use.name, use.settings);
      return why === undefined ? [] : [sources.problemOf({ path, why, value })];
    }),
  );
}

/** One use of a filter: its name and what stands behind it. */
export interface FilterUse {
  readonly name: string;
  /** Undefined where only the name is given. */
  readonly settings: unknown;
}

/** @returns undefined for a value that the schema rejects */
export function filterUseOf(value: unknown): FilterUse | undefined {
  if (typeof value === "string") return { name: value, settings: undefined };
  const [entry] = entriesOf(value);
  return entry && { name: entry[0], settings: entry[1] };
}

function policyProblems(sources: ConfigSources, found: Extensions | undefined): readonly Problem[] {
  return entriesOf(valueAt(sources.value, ["pools"])).flatMap(([pool, settings]) => {
    const policy = valueAt(settings, ["policy"]);
    const name = typeof policy === "string" ? extensionPolicyIn(policy as PolicyName) : undefined;
    const known = found?.policyNames ?? [];
    if (name === undefined || known.includes(name)) return [];
    return [unknownName(sources, { path: ["pools", pool, "policy"], name, known })];
  });
}

interface UnknownName {
  readonly path: Path;
  readonly name: string;
  readonly known: readonly string[];
}

function unknownName(sources: ConfigSources, { path, name, known }: UnknownName): Problem {
  const suggestion = closestWord(name, known);
  const others = known.length > 0 ? `; the extensions have ${known.join(", ")}` : "";
  const why = `no extension has this name${suggestion === undefined ? others : ""}`;
  return sources.problemOf({ path, why, value: name, suggestion });
}
