import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { HistoryResult } from "../../src/history/history.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("history-e2e");

const flags = (upstream: string, state: string) => [
  ...["proxy", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0"],
  ...["--state", inFolder(state), "--upstreams", upstream],
];

async function requestsSeen(program: Program, window: string): Promise<number> {
  const url = `http://127.0.0.1:${await program.port("admin")}/api/history?pool=main&window=${window}`;
  const { series } = (await (await fetch(url)).json()) as HistoryResult;
  // Points without requests have the rate 0.
  return series[0]?.columns.requestsPerSecond.filter((rate) => (rate ?? 0) > 0).length ?? 0;
}

describe("history", () => {
  test("is available a second later, and after a restart", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const first = programs.evenkeel(...flags(origin.url, "state.db"));
    const url = `http://127.0.0.1:${await first.port("balancer")}/`;
    for (let i = 0; i < 10; i++) await (await fetch(url)).text();
    await until(async () => (await requestsSeen(first, "5m")) > 0, "the first point", 10_000);
    expect((await first.kill("SIGTERM")).code).toBe(0);
    const second = programs.evenkeel(...flags(origin.url, "state.db"));
    for (const window of ["5m", "1h", "24h"]) expect(await requestsSeen(second, window)).toBeGreaterThan(0);
    await origin.close();
  });

  test("of an upstream's uptime continues after a restart, with the probes of the new process", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const seen = async (program: Program) => {
      const url = `http://127.0.0.1:${await program.port("admin")}/api/snapshot`;
      const { pools } = (await (await fetch(url)).json()) as Snapshot;
      const [upstream] = pools[0]?.upstreams ?? [];
      if (!upstream) throw new Error("an upstream is expected");
      return upstream;
    };
    const first = programs.evenkeel(...flags(origin.url, "uptime.db"));
    await until(async () => (await seen(first)).uptime.countedMs > 1_000, "a second of uptime", 10_000);
    const before = (await seen(first)).uptime;
    expect(before).toMatchObject({ state: "up", share: 1 });
    expect((await first.kill("SIGTERM")).code).toBe(0);
    const second = programs.evenkeel(...flags(origin.url, "uptime.db"));
    const { uptime, probeHistory } = await seen(second);
    expect(uptime).toMatchObject({ state: "up", since: before.since, share: 1 });
    expect(uptime.countedMs).toBeGreaterThanOrEqual(before.countedMs);
    expect(probeHistory).toMatch(/^\++$/);
    await origin.close();
  }, 20_000);

  test("that cannot be stored is logged, and the balancer serves anyway", async () => {
    await using programs = new Programs();
    writeFileSync(
      inFolder("bad-history.db"),
      "no database at all, but long enough to look like one. ".repeat(40),
    );
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const proxy = programs.evenkeel(...flags(origin.url, "bad.db"));
    expect((await fetch(`http://127.0.0.1:${await proxy.port("balancer")}/`)).status).toBe(200);
    await until(() => proxy.stderr.includes("history file unavailable"), "the message");
    expect(proxy.stderr).toContain("Cannot use the history file");
    await until(async () => (await requestsSeen(proxy, "5m")) > 0, "the first point", 10_000);
    await origin.close();
  });
});
