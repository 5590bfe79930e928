/** The segments of a configured path, and where a request's path ends behind them. */

import { escapeBeyondAscii, writtenPath } from "../proxy/request-path.ts";

/** The path that a route is for, as in its conditions. */
export interface RoutePath {
  readonly kind: "prefix" | "exact" | "template";
  readonly text: string;
}

/** A segment in the form in which routes match it; undefined for a parameter, which is any one segment. */
export type PathSegment = string | undefined;

/** The segments of a path in front of the rest that it may have. Text beyond ASCII is escaped, as clients send it. */
export function pathSegmentsOf({ kind, text }: RoutePath): readonly PathSegment[] {
  const segments = writtenPath(escapeBeyondAscii(text)).text.split("/").slice(1);
  if (segments.at(-1) === "") segments.pop();
  if (kind !== "template") return segments;
  const rest = segments.findIndex((segment) => /^\{\w+\.\.\.\}$/.test(segment));
  return (rest < 0 ? segments : segments.slice(0, rest)).map((segment) =>
    /^\{\w+\}$/.test(segment) ? undefined : segment.replaceAll("{{", "{").replaceAll("}}", "}"),
  );
}

/** Names of the parameters of a path template. */
export function parametersIn(template: string): readonly string[] {
  return template.split("/").flatMap((segment) => /^\{(\w+)(?:\.\.\.)?\}$/.exec(segment)?.[1] ?? []);
}

/** Whether the path begins with these segments: both are configured. */
export function beginsWith(path: readonly PathSegment[], beginning: readonly PathSegment[]): boolean {
  return beginning.length <= path.length && beginning.every((segment, index) => path[index] === segment);
}

/**
 * Where the path of a request, as it arrived, ends behind as many segments as these. Their bytes may differ: escapes of plain
 * characters count as the characters.
 * @returns undefined if the path does not begin with them: it has dot segments or repeated slashes there
 */
export function endOfSegments(path: string, segments: readonly PathSegment[]): number | undefined {
  let at = 0;
  for (const segment of segments) {
    if (path[at] !== "/") return undefined;
    const slash = path.indexOf("/", at + 1);
    const next = slash < 0 ? path.length : slash;
    const raw = path.slice(at + 1, next);
    const isSame = segment === undefined ? raw !== "" : raw === segment || writtenPath(raw).text === segment;
    if (!isSame) return undefined;
    at = next;
  }
  return at;
}
