/** How every write to one upstream is bound to what its caller saw, and answered with what is there now. */

import type { CommandError, Actor } from "../control/control.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { denial, json, problem } from "./responses.ts";
import { actorOf } from "./request-input.ts";
import { withIfMatch, upstreamEtag } from "./etags.ts";

export function upstreamResponses(upstream: (id: string) => UpstreamSnapshot | undefined) {
  return {
    /** With what is there now, and under which tag; so too where a write came too late. */
    shown(id: string, status = 200, more?: object): Response {
      const found = upstream(id);
      const response = json(status, more ? { ...more, upstream: found ?? null } : (found ?? null));
      if (found) response.headers.set("ETag", upstreamEtag(found));
      return response;
    },

    refusal(id: string, refused: CommandError): Response {
      const current = refused.status === 412 ? upstream(id) : undefined;
      return current ? preconditionFailed(refused, current, upstreamEtag(current)) : denial(refused);
    },

    whoMay: (request: Request, id: string, fields: Parameters<typeof actorOf>[1]): Actor =>
      withIfMatch(actorOf(request, fields), request, () => {
        const found = upstream(id);
        return found && upstreamEtag(found);
      }),
  };
}

export function preconditionFailed(
  { status, reason, message }: CommandError,
  current: object,
  tag: string,
): Response {
  const response = problem(status, reason, message, { current });
  response.headers.set("ETag", tag);
  return response;
}
