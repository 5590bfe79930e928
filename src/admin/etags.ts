/** Entity tags over operator intent and configuration, conditional writes (`If-Match`), and 304 responses. */

import { createHash } from "node:crypto";
import { commandError, type Actor } from "../control/control.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";

/**
 * A strong tag (RFC 9110 section 8.8.1) over what operators set, not over measurements: live counters would change the
 * tag before a client could send it back. The stamps of changes are included, so that "changed and changed back" differs
 * from "never changed".
 */
export function upstreamEtag(upstream: UpstreamSnapshot): string {
  return tagOf(intentFields(upstream));
}

/** A strong tag over the upstreams of a pool and what operators set on each. */
export function poolEtag({ name, policy, upstreams }: PoolSnapshot): string {
  return tagOf([name, policy, upstreams.map(intentFields)]);
}

function textTag(text: string): string {
  return `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

function tagOf(value: unknown): string {
  return textTag(JSON.stringify(value));
}

function intentFields(upstream: UpstreamSnapshot) {
  const { id, url, weight, backup, mode, modeSet, weightSet, added, drain, rehearsal } = upstream;
  // Without the fault's end: it is converted between two clocks and may differ by a millisecond from snapshot to snapshot.
  const { until: _until, ...fault } = rehearsal ?? { until: null };
  return [id, url, weight, backup, mode, modeSet, weightSet, added, drain?.leaving ?? false, fault];
}

const changedSince = commandError(
  412,
  "intent_changed",
  "Cannot apply the change: another change came first. Read the current state and try again.",
);

/**
 * Makes the actor's command conditional: it fails unless the request's `If-Match` names the current state.
 * @param currentTag returns undefined if the object no longer exists
 */
export function withIfMatch(
  actor: Actor,
  request: Request,
  currentTag: () => string | undefined,
  mismatch = changedSince,
): Actor {
  const ifMatch = request.headers.get("if-match");
  if (ifMatch === null || ifMatch.trim() === "*") return actor;
  return {
    ...actor,
    condition() {
      const current = currentTag();
      if (current === undefined || strongTagsIn(ifMatch).includes(current)) return undefined;
      return mismatch;
    },
  };
}

/** Weak tags never match here: RFC 9110 section 13.1.1. */
function strongTagsIn(header: string): readonly string[] {
  return [...header.matchAll(/(W\/)?("[^"]*")/g)].flatMap(([, weak, tag = ""]) => (weak ? [] : [tag]));
}

/** Responds with the text and its tag, or with 304 if `If-None-Match` has this tag. */
export function taggedText(request: Request, text: string, type: string): Response {
  const tag = textTag(text);
  const headers = { "Content-Type": type, "Cache-Control": "private, no-cache", ETag: tag };
  const ifNoneMatch = request.headers.get("if-none-match");
  // RFC 9110 section 13.1.2: weak comparison, so a tag with W/ before it matches too.
  const tags: readonly string[] = ifNoneMatch?.match(/"[^"]*"/g) ?? [];
  const isUnchanged = ifNoneMatch?.trim() === "*" || tags.includes(tag);
  return isUnchanged ? new Response(null, { status: 304, headers }) : new Response(text, { headers });
}

/** The tag that {@link taggedJson} sends for this value. */
export function jsonTag(value: unknown): string {
  return tagOf(value);
}

export function taggedJson(request: Request, value: unknown): Response {
  return taggedText(request, JSON.stringify(value), "application/json");
}
