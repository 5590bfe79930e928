/** Changes what an upstream is asked for: cuts or adds a prefix, writes another path, changes the query or the Host. */

import { type FilteredRequest, ofUpstream, type RequestFilter } from "../proxy/filter.ts";
import { type Refusal, refusal, refusalForViolation, targetTooLong } from "../proxy/refusal.ts";
import { checkedField } from "../proxy/head-edit.ts";
import { pathOf } from "../proxy/request-head.ts";
import { escapeBeyondAscii } from "../proxy/request-path.ts";
import { endOfSegments, type PathSegment, pathSegmentsOf, type RoutePath } from "./path-segments.ts";
import { createQueryChange, type QuerySettings } from "./query-change.ts";
import { compileTemplate } from "./template.ts";
import { queryIn } from "./variables.ts";

export interface PathChangeSettings {
  /** True for the path of the route, or a beginning of it. */
  readonly stripPrefix?: boolean | string;
  readonly addPrefix?: string;
  readonly rewrite?: {
    /** May have variables. */
    readonly path?: string;
    /** A host with an optional port; `upstream` for that of the upstream's URL. */
    readonly host?: string;
    readonly query?: QuerySettings;
  };
}

/** Longer targets are refused by many servers; the same limit holds for what clients send by default. */
const maxTargetBytes = 8_192;

/** Computes a path from the one that arrived. */
type PathStep = (path: string, request: FilteredRequest) => string | Refusal;

/** @returns undefined if nothing changes  @param path condition of the route */
export function createPathChange(
  { stripPrefix = false, addPrefix, rewrite = {} }: PathChangeSettings,
  path: RoutePath | undefined,
): RequestFilter | undefined {
  const segments = strippedSegments(stripPrefix, path);
  const steps: readonly PathStep[] = [
    ...(segments ? [stripStep(segments)] : []),
    ...(rewrite.path === undefined ? [] : [rewriteStep(rewrite.path)]),
    ...(addPrefix === undefined ? [] : [addStep(addPrefix)]),
  ];
  const query = rewrite.query && createQueryChange(rewrite.query);
  const { host } = rewrite;
  if (steps.length === 0 && !query && host === undefined) return undefined;
  return {
    name: segments ? "stripPrefix" : addPrefix === undefined ? "rewrite" : "addPrefix",
    admit,
    foresee(request) {
      const answer = admit(request);
      if (answer) return { verdict: "answers", refusal: answer.reason, why: answer.reason };
      return {
        verdict: "passes",
        why: `the upstream is asked for ${request.upstreamTarget ?? request.head.target}`,
      };
    },
  };

  function admit(request: FilteredRequest): Refusal | undefined {
    if (host !== undefined) request.upstreamHost = host === "upstream" ? ofUpstream : host;
    if (steps.length === 0 && !query) return undefined;
    // Read once: a head makes it of bytes each time.
    const { target } = request.head;
    // `OPTIONS *` has neither path nor query.
    if (target === "*") return undefined;
    const path = pathOf({ target });
    let changed = path;
    for (const step of steps) {
      const result = step(changed, request);
      if (typeof result !== "string") return result;
      changed = result;
    }
    // The next parser would read what follows as a host.
    if (/^\/[/\\]/.test(changed)) return refusal("path_ambiguous");
    const rest = query ? query(queryIn({ target }), request) : target.slice(path.length);
    const written = changed + rest;
    if (written.length > maxTargetBytes) return refusalForViolation(targetTooLong(maxTargetBytes));
    request.upstreamTarget = written;
    return undefined;
  }
}

function strippedSegments(
  stripPrefix: boolean | string,
  path: RoutePath | undefined,
): readonly PathSegment[] | undefined {
  if (stripPrefix === false) return undefined;
  const prefix: RoutePath | undefined =
    stripPrefix === true
      ? path
      : { kind: path?.kind === "template" ? "template" : "prefix", text: stripPrefix };
  const segments = prefix && pathSegmentsOf(prefix);
  return segments && segments.length > 0 ? segments : undefined;
}

const prefixField = "X-Forwarded-Prefix";

/** Cuts the bytes of the prefix and keeps all others. The upstream learns what was cut. */
function stripStep(segments: readonly PathSegment[]): PathStep {
  const fixed = segments.includes(undefined)
    ? undefined
    : checkedField(prefixField, `/${segments.join("/")}`);
  return (path, request) => {
    const end = endOfSegments(path, segments);
    if (end === undefined) return refusal("path_ambiguous");
    const { head } = request;
    const before = head.isPeerTrusted ? head.header(prefixField.toLowerCase()) : undefined;
    if (fixed && !before) request.setCheckedUpstreamField(fixed);
    else {
      const cut = fixed?.[1] ?? path.slice(0, end);
      request.setUpstreamField(prefixField, before ? `${before}, ${cut}` : cut);
    }
    return path.slice(end) || "/";
  };
}

function addStep(prefix: string): PathStep {
  const text = escapeBeyondAscii(prefix).replace(/\/$/, "");
  return (path) => text + path;
}

function rewriteStep(source: string): PathStep {
  const template = compileTemplate(source, { encodeText: escapeBeyondAscii });
  return (_, request) => {
    const text = template.write(request);
    return text.startsWith("/") ? text : `/${text}`;
  };
}
