/** The rows of the overview as CSV and JSON: all upstreams that its view shows, also the ones that are folded. */

import { Elysia } from "elysia";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { balancerNow, type DashboardState } from "../../wording/verdict.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { fresh, stateErrorResponse } from "../responses.ts";
import { type View, viewOf } from "../view.ts";
import { shownTable, type ShownUpstream } from "./folding.ts";

interface UpstreamRow extends ShownUpstream {
  readonly pool: string;
}

const columns: CsvColumns<UpstreamRow> = {
  pool: ({ pool }) => pool,
  upstream: ({ upstream }) => upstream.id,
  url: ({ upstream }) => upstream.url,
  status: ({ upstream }) => upstream.status,
  mode: ({ upstream }) => upstream.mode,
  state: ({ state }) => state.words,
  problem: ({ problem }) => problem?.title ?? null,
  weight: ({ upstream }) => upstream.weight,
  backup: ({ upstream }) => (upstream.backup ? "yes" : "no"),
  inFlight: ({ upstream }) => upstream.inFlight,
  requestsPerSecond: ({ upstream }) => upstream.traffic.requestsPerSecond,
  errorShare: ({ upstream }) => upstream.traffic.errorShare,
  p50Ms: ({ upstream }) => upstream.traffic.p50Ms,
  p95Ms: ({ upstream }) => upstream.traffic.p95Ms,
  p99Ms: ({ upstream }) => upstream.traffic.p99Ms,
  requests: ({ upstream }) => upstream.traffic.requests,
  errors: ({ upstream }) => upstream.traffic.errors,
  uptimeShare: ({ upstream }) => upstream.uptime.share,
};

function rowsOf(snapshot: Snapshot, view: View, state: DashboardState): readonly UpstreamRow[] {
  const { problems = [] } = snapshot;
  const whole = { ...view, open: ["*"], close: undefined };
  const { pools } = shownTable({
    snapshot,
    problems,
    view: whole,
    now: balancerNow(state),
    routes: state.routes,
  });
  return pools.flatMap(({ pool, shown }) => shown.map((row) => ({ ...row, pool: pool.name })));
}

export function upstreamFiles({ poller }: { readonly poller: SnapshotPoller }) {
  const rows = async (request: Request): Promise<readonly UpstreamRow[] | Response> => {
    const view = viewOf(Object.fromEntries(new URL(request.url).searchParams));
    const state = await poller.current();
    return state.snapshot ? rowsOf(state.snapshot, view, state) : stateErrorResponse(state);
  };
  return new Elysia({ handler: { standardHostname: false } })
    .get("/upstreams.csv", async ({ request }) => {
      const found = await rows(request);
      return found instanceof Response ? found : csvFile("upstreams", columns, found);
    })
    .get("/upstreams.json", async ({ request }) => {
      const found = await rows(request);
      if (found instanceof Response) return found;
      const upstreams = found.map(({ pool, upstream, state, problem }) => ({
        pool,
        ...upstream,
        state: state.words,
        problem: problem ?? null,
      }));
      return Response.json({ upstreams }, { headers: fresh });
    });
}
