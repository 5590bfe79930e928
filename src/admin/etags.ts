/** Entity tags: names for states of what operators set, so that a write can say which state it was decided on. */

import { createHash } from "node:crypto";
import { commandError, type Actor } from "../control/control.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";

/**
 * Strong (RFC 9110 section 8.8.1) over what was set, not over what is measured: a tag with live counters in it would
 * have changed before anybody could send it back. Who set a thing when is part of it, so that there and back again is
 * another state than never touched.
 */
export function upstreamEtag(upstream: UpstreamSnapshot): string {
  return tagOf(intentOf(upstream));
}

/** Of who belongs to a pool, and of what was set for each. */
export function poolEtag({ name, policy, upstreams }: PoolSnapshot): string {
  return tagOf([name, policy, upstreams.map(intentOf)]);
}

function textTag(text: string): string {
  return `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

function tagOf(value: unknown): string {
  return textTag(JSON.stringify(value));
}

function intentOf(upstream: UpstreamSnapshot) {
  const { id, url, weight, backup, mode, modeSet, weightSet, added, drain, rehearsal: fault } = upstream;
  // Its end is told by another clock than it is kept by, and may differ by a millisecond from look to look.
  const { until: _until, ...played } = fault ?? { until: null };
  return [id, url, weight, backup, mode, modeSet, weightSet, added, drain?.leaving ?? false, played];
}

const changedSince = commandError(
  412,
  "intent_changed",
  "Cannot do that: somebody has changed it since you looked",
);

/**
 * The same order, given under the condition that the request's `If-Match` names the present state.
 * @param tagNow undefined if there is nothing any more
 */
export function withIfMatch(
  actor: Actor,
  request: Request,
  tagNow: () => string | undefined,
  otherwise = changedSince,
): Actor {
  const wanted = request.headers.get("if-match");
  if (wanted === null || wanted.trim() === "*") return actor;
  return {
    ...actor,
    condition() {
      const now = tagNow();
      if (now === undefined || strongTagsIn(wanted).includes(now)) return undefined;
      return otherwise;
    },
  };
}

/** Weak tags never match here: RFC 9110 section 13.1.1. */
function strongTagsIn(field: string): readonly string[] {
  return [...field.matchAll(/(W\/)?("[^"]*")/g)].flatMap(([, weak, tag = ""]) => (weak ? [] : [tag]));
}

/** A text that stays the same until something is set: answered with 304 to whoever has it. */
export function taggedText(request: Request, text: string, type: string): Response {
  const tag = textTag(text);
  const headers = { "Content-Type": type, "Cache-Control": "private, no-cache", ETag: tag };
  const known = request.headers.get("if-none-match");
  // RFC 9110 section 13.1.2: weak comparison, so that a tag with W/ before it matches too.
  const tags: readonly string[] = known?.match(/"[^"]*"/g) ?? [];
  const isKnown = known?.trim() === "*" || tags.includes(tag);
  return isKnown ? new Response(null, { status: 304, headers }) : new Response(text, { headers });
}

/** The tag under which {@link taggedJson} answers. */
export function jsonTag(value: unknown): string {
  return textTag(JSON.stringify(value));
}

export function taggedJson(request: Request, value: unknown): Response {
  return taggedText(request, JSON.stringify(value), "application/json");
}
