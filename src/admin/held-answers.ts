/** Answers that go on, such as the stream of events: they end with the right by which somebody listens. */

import type { Schedule } from "../lib/clock.ts";
import { closableStream } from "../lib/closable-stream.ts";

/** How long one may outlast its right. */
const checkMs = 2_000;

const nothing = new Uint8Array();

/** The same answer; a stream of events is cut as soon as `isAllowed` says no. */
export function boundToSession(response: Response, isAllowed: () => boolean, schedule: Schedule): Response {
  if (!response.body || response.headers.get("content-type") !== "text/event-stream") return response;
  let cancel = schedule(checkMs, check);
  const { stream, end } = closableStream(response.body, nothing, () => cancel());
  return new Response(stream, { status: response.status, headers: response.headers });

  function check(): void {
    if (isAllowed()) cancel = schedule(checkMs, check);
    else end();
  }
}
