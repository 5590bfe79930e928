/** Checks of the header fields that routes, profiles and defaults write: names, values, variables and their size. */

import { maxWrittenBytes } from "../filter/header-edits.ts";
import { type FieldAction, fieldProblem, type FieldSide } from "../filter/settable-fields.ts";
import type { Path, Problem } from "./problem.ts";
import {
  capturesOf,
  type PlacedRoute,
  placedRoutes,
  type SettingsOwner,
  settingsOwners,
  templateProblems,
  unknownCaptures,
  variablesIn,
} from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

const sides: ReadonlyArray<readonly [key: string, side: FieldSide]> = [
  ["requestHeaders", "request"],
  ["responseHeaders", "response"],
];
const writing: readonly FieldAction[] = ["set", "default", "add"];

export function headerChecks(sources: ConfigSources): readonly Problem[] {
  const hasTls = [valueAt(sources.value, ["listen"])].flat().some((listener) => valueAt(listener, ["tls"]));
  return [
    ...settingsOwners(sources).flatMap((owner) =>
      sides.flatMap(([key, side]) => [
        ...ownerProblems(sources, { owner, key, side, hasTls }),
        ...(valueAt(sources.value, ["engine"]) === "fetch" ? unknownToFetch(sources, owner, key) : []),
      ]),
    ),
    ...placedRoutes(sources).flatMap((route) => [
      ...tooMuchWritten(sources, route),
      ...unknownParameters(sources, route),
      ...codedTwice(sources, route),
    ]),
  ];
}

interface Edits {
  readonly owner: SettingsOwner;
  readonly key: string;
  readonly side: FieldSide;
  readonly hasTls: boolean;
}

function ownerProblems(sources: ConfigSources, { owner, key, side, hasTls }: Edits): readonly Problem[] {
  const base = [...owner.path, key];
  const edits = valueAt(owner.value, [key]);
  const removed = entriesOf(valueAt(edits, ["remove"])).flatMap(([index, name]) => {
    const why = typeof name === "string" ? fieldProblem(name, { side, action: "remove", hasTls }) : undefined;
    return why === undefined
      ? []
      : [sources.problemOf({ path: [...base, "remove", index], why, value: name })];
  });
  const written = writing.flatMap((action) => {
    const seen = new Set<string>();
    return entriesOf(valueAt(edits, [action])).flatMap(([name, value]) => {
      const path = [...base, action, name];
      const lower = name.toLowerCase();
      const isRepeated = seen.has(lower);
      seen.add(lower);
      const why = isRepeated
        ? "another field of this name is there"
        : (nameProblem(name) ?? fieldProblem(name, { side, action, hasTls }));
      if (why !== undefined) return [sources.problemOf({ path, why, isKey: true })];
      return [
        ...valueProblems(sources, path, value),
        ...templateProblems(sources, { path, value }, side, owner.captures),
      ];
    });
  });
  return [...removed, ...written];
}

/** The runtime's server keeps what it knows of a handshake to itself. */
function unknownToFetch(sources: ConfigSources, owner: SettingsOwner, key: string): readonly Problem[] {
  return writing.flatMap((action) =>
    entriesOf(valueAt(owner.value, [key, action])).flatMap(([name, value]) => {
      const hasTls = typeof value === "string" && variablesIn(value).some((word) => word.startsWith("tls."));
      const why = "the fetch engine knows no ${tls.*}; use the wire engine";
      return hasTls ? [sources.problemOf({ path: [...owner.path, key, action, name], why, value })] : [];
    }),
  );
}

function nameProblem(name: string): string | undefined {
  return /^[!#$%&'*+.^_`|~\da-z-]{1,256}$/i.test(name) ? undefined : "expected a header name";
}

function valueProblems(sources: ConfigSources, path: Path, value: unknown): readonly Problem[] {
  if (typeof value !== "string" || !/[^\t\x20-\x7e\x80-\xff]/.test(value)) return [];
  const why = /[^\0-\xff]/.test(value)
    ? "a header field has no characters above U+00FF"
    : "a header field has no line ends and no control characters";
  return [sources.problemOf({ path, why, value })];
}

/** All that is written into the heads of one route. */
function tooMuchWritten(sources: ConfigSources, { path, layers }: PlacedRoute): readonly Problem[] {
  return sides.flatMap(([key]) => {
    const bytes = new Map<string, number>();
    for (const { value } of layers)
      for (const action of writing)
        for (const [name, text] of entriesOf(valueAt(value, [key, action])))
          bytes.set(`${action} ${name.toLowerCase()}`, name.length + String(text).length + ": \r\n".length);
    const sum = [...bytes.values()].reduce((total, size) => total + size, 0);
    if (sum <= maxWrittenBytes) return [];
    const why = `${key} with its profiles has ${sum} bytes; at most 8KiB are possible`;
    return [sources.problemOf({ path, why })];
  });
}

/** A body that is compressed has the name of its coding already. */
function codedTwice(sources: ConfigSources, { path, layers }: PlacedRoute): readonly Problem[] {
  const compress = layers
    .map(({ value }) => valueAt(value, ["compress"]))
    .findLast((one) => one !== undefined);
  if (compress === undefined || compress === null || compress === false) return [];
  const namesCoding = layers.some(({ value }) =>
    writing.some((action) =>
      entriesOf(valueAt(value, ["responseHeaders", action])).some(
        ([name]) => name.toLowerCase() === "content-encoding",
      ),
    ),
  );
  const why = "it compresses responses and writes Content-Encoding; leave one of them out";
  return namesCoding ? [sources.problemOf({ path, why })] : [];
}

/** Parameters in the texts of profiles and defaults, which only the route can have. */
function unknownParameters(sources: ConfigSources, { path, route, layers }: PlacedRoute): readonly Problem[] {
  const captures = capturesOf(route);
  return layers
    .filter((layer) => layer.path[0] !== "routes")
    .flatMap((layer) =>
      sides.flatMap(([key]) =>
        writing.flatMap((action) =>
          entriesOf(valueAt(layer.value, [key, action])).flatMap(([name, text]) =>
            unknownCaptures(text, captures).map((variable) => {
              const where = sources.subjectOf([...layer.path, key, action, name]);
              return sources.problemOf({
                path,
                why: `${where} has \${${variable}}, and the path has no such parameter`,
              });
            }),
          ),
        ),
      ),
    );
}
