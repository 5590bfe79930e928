/** The address of the stream: reads what a listener wants, and says no where that cannot be. */

import { Elysia } from "elysia";
import { parseDuration } from "../lib/units.ts";
import { eventStream, problem } from "./responses.ts";
import { afterOf, queryParameters } from "./request-input.ts";
import type { Stream } from "./event-stream.ts";

const maxSnapshotSeconds = 60;

export function streamRoutes(stream: Stream) {
  return new Elysia({ handler: { standardHostname: false } }).get("/api/stream", ({ request }) => {
    const query = queryParameters(request);
    const after = afterOf(request);
    if (after === undefined) {
      return problem(400, "query_invalid", "Cannot follow the events: after needs a whole number");
    }
    const snapshotSeconds = secondsOf(query.get("snapshots"));
    if (snapshotSeconds === undefined) {
      const message = "Cannot send snapshots that often: snapshots needs whole seconds from 1s to 1m";
      return problem(400, "snapshots_invalid", message);
    }
    const [upstream, pool] = [query.get("upstream"), query.get("pool")];
    const only = { ...(upstream !== null && { upstream }), ...(pool !== null && { pool }) };
    return eventStream(stream.open({ ...only, after, snapshotSeconds }), "the events");
  });
}

function secondsOf(given: string | null): number | undefined {
  if (given === null) return 0;
  const seconds = (parseDuration(given) ?? 0) / 1_000;
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= maxSnapshotSeconds ? seconds : undefined;
}
