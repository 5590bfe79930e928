/** Pools as a whole: a queue that fills, one that is full, and all upstreams slow since a reload. At ten times the pace. */

import { historyFileOf, openHistory } from "../../../src/history/sqlite-store.ts";
import { resolutions } from "../../../src/history/store.ts";
import { startUnsteadyServers } from "../../support/demo-server.ts";
import { IncidentScene } from "../../support/incident-scene.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { fastTime } from "../../support/program.ts";
import { until } from "../../support/wait.ts";
import type { Story } from "./story.ts";

const [, , minutes] = resolutions;
const [minuteMs, dayMs] = [60_000, 86_400_000];

/** Two days on which a pool had this latency around this hour: the balancer's hour passes within minutes. */
function writeHistory(stateFile: string, pool: string, p95Ms: number): void {
  const history = openHistory(historyFileOf(stateFile), Date.now);
  const now = Math.floor(Date.now() / minuteMs) * minuteMs;
  const series = { pool, upstream: null };
  for (const day of [1, 2]) {
    const points = Array.from({ length: 240 }, (_, minute) => ({
      ...{ at: now - day * dayMs + (minute - 120) * minuteMs, spanMs: minuteMs, requests: 3_000, errors: 0 },
      ...{ retries: 0, rescues: 0, queued: 0, inFlight: 4, p50Ms: p95Ms / 2, p95Ms, p99Ms: p95Ms },
    }));
    history.write(points.map((point) => ({ series, resolution: minutes, point })));
  }
  history.close();
}

export const pools: Story<"8" | "9" | "18"> = {
  parts: ["9", "8", "18"],

  async run({ browser, inFolder }, seen) {
    await using scene = new IncidentScene();
    const reports = await startUnsteadyServers("reports", 4, 200);
    for (const server of reports) scene.onEnd(() => server.stop());
    const ok = respondWith(JSON.stringify({ server: { name: "ok" } }));
    /** Requests that wait for their response. */
    const held: (() => void)[] = [];
    const search = await startOrigin(({ target }, socket) => {
      const respond = () => void socket.write(ok);
      if (target === "/readyz") respond();
      else held.push(respond);
    });
    const main = await startOrigin(
      ({ target }, socket) => void setTimeout(() => socket.write(ok), target === "/readyz" ? 0 : 400),
    );
    scene.onEnd(() => Promise.all([search.close(), main.close()]));

    const probe = { path: "/readyz", interval: "20s", changingInterval: "2s", timeout: "60s" };
    const configOf = (retries: number) => ({
      pools: {
        reports: { probe, retries, upstreams: reports.map(({ upstream }) => upstream) },
        search: {
          ...{ probe, maxInFlight: 2, queue: { maxWaiting: 100, timeout: "10m" }, timeouts: { head: "10m" } },
          upstreams: [{ url: search.url, name: "search-1" }],
        },
        main: {
          ...{ probe, maxInFlight: 2, queue: { maxWaiting: 2, timeout: "60s" } },
          upstreams: [{ url: main.url, name: "main-1" }],
        },
      },
      routes: ["reports", "search", "main"].map((pool) => ({ path: `/${pool}`, pool })),
    });
    writeHistory(inFolder("pools.db"), "reports", 2_050);
    const start = { browser, file: inFolder("pools.json"), environment: fastTime(10) };
    await scene.start({ ...start, config: configOf(1) });
    scene.load("/reports", 96);
    await scene.evenKeel();

    // What this begins shows after two minutes.
    await scene.reload(configOf(2));
    for (const server of reports) server.latencyMs = 800;

    const waiting = Array.from({ length: 62 }, async () => (await fetch(`${scene.url}/search`)).text());
    await scene.firstLine("60 requests wait in pool search", "warning");
    seen("9");
    let isReleased = false;
    const released = Promise.all(waiting).then(() => (isReleased = true));
    await until(() => {
      for (const respond of held.splice(0)) respond();
      return isReleased;
    }, "the end of the queue");
    await released;

    const load = scene.load("/main", 8);
    await scene.firstLine(
      /^Pool main turns away (9 in 10|19 in 20) requests: its queue is full$/,
      "critical",
    );
    seen("8");
    await load.stop();

    await scene.firstLine(
      /^Pool reports is \d+ times slower than usual since the reload at \d\d:\d\d UTC$/,
      "warning",
    );
    seen("18");
  },
};
