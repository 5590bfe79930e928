/** How every write to one upstream is bound to what its caller saw, and answered with what is there now. */

import type { Denied, Who } from "../control/control.ts";
import type { UpstreamSnapshot } from "../snapshot.ts";
import { denial, json, problem } from "./answers.ts";
import { whoOf } from "./asked.ts";
import { conditionally, upstreamTag } from "./tags.ts";

export function upstreamAnswers(upstream: (id: string) => UpstreamSnapshot | undefined) {
  return {
    /** With what is there now, and under which tag; so too where a write came too late. */
    shown(id: string, status = 200, more?: object): Response {
      const found = upstream(id);
      const answer = json(status, more ? { ...more, upstream: found ?? null } : (found ?? null));
      if (found) answer.headers.set("ETag", upstreamTag(found));
      return answer;
    },

    refusal(id: string, refused: Denied): Response {
      const current = refused.status === 412 ? upstream(id) : undefined;
      return current ? tooLate(refused, current, upstreamTag(current)) : denial(refused);
    },

    whoMay: (request: Request, id: string, fields: Parameters<typeof whoOf>[1]): Who =>
      conditionally(whoOf(request, fields), request, () => {
        const found = upstream(id);
        return found && upstreamTag(found);
      }),
  };
}

export function tooLate({ status, reason, message }: Denied, current: object, tag: string): Response {
  const answer = problem(status, reason, message, { current });
  answer.headers.set("ETag", tag);
  return answer;
}
