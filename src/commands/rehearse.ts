/** `evenkeel rehearse`: plays a fault on an upstream of a running balancer, or ends one. */

import type { Ask } from "../cli/companions.ts";
import type { RehearseOrder } from "../cli/rehearse.ts";
import { formatDuration } from "../lib/duration.ts";
import { describeRehearsal, usualRehearsalMs } from "../pool/rehearsal.ts";
import type { UpstreamSnapshot } from "../snapshot.ts";
import { askFor, type Reply } from "./ask.ts";

/** Exit 0 if it is done, 2 if it was refused. */
export async function rehearse(ask: Ask, { upstream, method, body }: RehearseOrder): Promise<Reply> {
  const path = `/api/upstreams/${encodeURIComponent(upstream)}/rehearsal`;
  const answer = await askFor(ask, method, { path, body: JSON.stringify(body) });
  if ("exitCode" in answer) return answer;
  if (method === "DELETE") return { text: `The rehearsal on ${upstream} has ended.`, exitCode: 0 };
  const { rehearsal } = JSON.parse(answer.text) as Pick<UpstreamSnapshot, "rehearsal">;
  const plays = rehearsal ? describeRehearsal(rehearsal) : "nothing any more";
  const { seconds = usualRehearsalMs / 1_000 } = body;
  const left = formatDuration(Number(seconds) * 1_000);
  return { text: `Rehearsal on ${upstream}: ${plays}, for ${left}. It ends by itself.`, exitCode: 0 };
}
