/** Reads the files that routes and profiles name: user lists, pages and bodies of responses. */

import { readHtpasswd } from "../access/htpasswd.ts";
import type { Path, Problem } from "./problem.ts";
import { settingsOwners } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";

/** Larger pages belong on a web server. */
const maxFileBytes = 262_144;

export interface RouteFiles {
  /** Contents by path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

export function readRouteFiles(sources: ConfigSources, read: ReadText): RouteFiles {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  for (const path of filePathsIn(sources)) {
    const name = valueAt(sources.value, path);
    if (typeof name !== "string" || name.trim() === "" || texts.has(name)) continue;
    const found = readReferencedFile(name, read);
    const whys = "why" in found ? [found.why] : textProblems(path, found.text);
    for (const why of whys) problems.push(sources.problemOf({ path, why, value: name }));
    if (whys.length === 0 && "text" in found) texts.set(name, found.text);
  }
  return { texts, problems };
}

function textProblems(path: Path, text: string): readonly string[] {
  const why = textProblemOf(text);
  if (why !== undefined) return [why];
  return path.at(-1) === "usersFile" ? readHtpasswd(text).problems : [];
}

function textProblemOf(text: string): string | undefined {
  // What is no UTF-8 has become this character.
  if (text.includes("\ufffd"))
    return "the file is no text in UTF-8; larger or other files belong on a web server";
  const bytes = Buffer.byteLength(text);
  return bytes > maxFileBytes ? `the file has ${bytes} bytes; at most 256KiB are possible` : undefined;
}

/** Settings of a route or a profile that name files. */
function filePathsIn(sources: ConfigSources): readonly Path[] {
  return settingsOwners(sources).flatMap(({ path, value }) => [
    [...path, "basicAuth", "usersFile"],
    [...path, "respond", "file"],
    ...entriesOf(valueAt(value, ["errorPages"])).map(([status]): Path => [...path, "errorPages", status]),
  ]);
}
