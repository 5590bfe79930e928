/** Texts about sources of members: what they answered, how long ago, and what a member's source says of it. */

import type { PoolSnapshot, SourceSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { countWithNoun, formatAgo, formatSpan } from "./format.ts";

/** Whether an operator should look at it. */
export function isTroubled({ state, omitted, skipped }: SourceSnapshot): boolean {
  return state !== "current" || omitted > 0 || skipped.length > 0;
}

/** "dns api.internal:8080: 3 members, answered 2 s ago" @param now epoch milliseconds by the balancer's clock */
export function sourceText(source: SourceSnapshot, now: number): string {
  return `${source.source}: ${stateText(source, now)}${leftOutText(source)}`;
}

function stateText({ state, members, answeredAt, since, why }: SourceSnapshot, now: number): string {
  const count = countWithNoun(members, "member");
  const cause = why === "" ? "" : ` (${why})`;
  const span = since === null ? "" : ` for ${formatSpan(now - since)}`;
  if (state === "waiting")
    return `no answer yet${cause}${members === 0 ? "" : `, keeps ${count} of before the restart`}`;
  const age = answeredAt === null ? "none yet" : formatAgo(now - answeredAt);
  if (state === "stale") return `failing${span}${cause}, keeps ${count}; last answer ${age}`;
  if (state === "absent") return `nothing found${span}${cause}, keeps ${count}`;
  return `${count}, answered ${age}`;
}

/** Empty if all that was found is a member. */
function leftOutText({ omitted, skipped }: SourceSnapshot): string {
  const parts = [
    ...(omitted > 0 ? [`${omitted} above the limit left out`] : []),
    ...(skipped.length > 0 ? [`left out: ${skipped.join("; ")}`] : []),
  ];
  return parts.map((part) => `; ${part}`).join("");
}

/** "from dns api.internal:8080", "web-7 from kubernetes shop/web, which reports it no more"; undefined for all other upstreams. */
export function originText({ discovered }: Pick<UpstreamSnapshot, "discovered">): string | undefined {
  if (!discovered) return undefined;
  const { source, name, gone } = discovered;
  return `${name === null ? "" : `${name} `}from ${source}${gone ? ", which reports it no more" : ""}`;
}

/** The text of a member's source. */
export function sourceTextOf(
  { discovered }: Pick<UpstreamSnapshot, "discovered">,
  { discovery = [] }: Pick<PoolSnapshot, "discovery">,
  now: number,
): string | undefined {
  const source = discovery.find((one) => one.source === discovered?.source);
  return source && sourceText(source, now);
}
