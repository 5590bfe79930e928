import { describe, expect, test } from "bun:test";

import { ControlRoom } from "../support/control-fixture.ts";
import { until } from "../support/wait.ts";

const steady = "    outlier: { ejection: 1s }\n    slowStart: 0\n";

async function roomWith(...flags: string[]): Promise<ControlRoom> {
  const room = new ControlRoom();
  await room.servers("a", "b", "c");
  room.write(room.poolWith(["a", "b", "c"], steady));
  await room.start(...flags);
  return room;
}

/** Answers of a stream of requests, by status, until it is stopped. */
function load(url: string) {
  const statuses: Record<number, number> = {};
  let isOn = true;
  const clients = Array.from({ length: 4 }, async () => {
    while (isOn) {
      const { status } = await fetch(url).then(async (response) => (await response.arrayBuffer(), response));
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  });
  const stop = async () => {
    isOn = false;
    await Promise.all(clients);
    return statuses;
  };
  return { stop };
}

describe.each([
  ["--engine", "fetch"],
  ["--engine", "wire"],
  ["--engine", "wire", "--workers", "2"],
])("a rehearsal with %s %s %s %s", (...flags) => {
  test.concurrent(
    "ejects its upstream while no client sees a failure, ends by itself, and the upstream returns",
    async () => {
      await using room = await roomWith(...flags.filter(Boolean));
      const { stop } = load(room.url);
      const order = { errorShare: 1, error: "connect_refused", seconds: 3, reason: "drill" };
      const begun = await room.ask("PUT", "/api/upstreams/a/rehearsal", order);
      expect(begun.status).toBe(200);
      expect(begun.body["rehearsal"]).toMatchObject({ errorShare: 1, by: "ann", why: "drill" });
      const status = async () => (await room.upstream("a"))?.status;
      await until(async () => (await status()) === "ejected", "the ejection", 3_000);
      const metrics = await (await fetch(`${room.admin}/metrics`)).text();
      expect(metrics).toContain('evenkeel_rehearsal{pool="main",upstream="a"} 1');
      expect(metrics).toContain('evenkeel_rehearsal{pool="main",upstream="b"} 0');
      await until(async () => (await room.upstream("a"))?.rehearsal === null, "its end", 5_000);
      await until(async () => (await status()) === "passing", "the return", 8_000);
      const served = (await room.upstream("a"))?.traffic.requests ?? 0;
      await until(async () => ((await room.upstream("a"))?.traffic.requests ?? 0) > served + 20, "traffic");
      const statuses = await stop();
      expect(Object.keys(statuses)).toEqual(["200"]);
      const told = (await room.events("upstream=a")).map(({ kind, to, reason, by, detail }) =>
        [kind, to, reason, by, detail].join(" | "),
      );
      expect(told).toContain("rehearsal | 100 % connect_refused | operator | ann | drill");
      expect(told).toContain("rehearsal | none | time_over | balancer | ");
      expect(told.find((line) => line.startsWith("outlier | ejected"))).toMatch(/, rehearsal$/);
      expect(room.proxy.stderr).toContain("fault injection started");
      expect(room.proxy.stderr).toContain("fault injection ended");
    },
    40_000,
  );
});

describe("a rehearsal", () => {
  test.concurrent(
    "is refused where it would leave too few, ends by order, and does not outlive a restart",
    async () => {
      await using room = await roomWith("--engine", "wire");
      const path = (id: string) => `/api/upstreams/${id}/rehearsal`;
      const order = { latencyMs: 10, seconds: 600 };
      expect((await room.ask("PUT", path("x"), order)).status).toBe(404);
      expect((await room.ask("DELETE", path("a"))).body["reason"]).toBe("rehearsal_none");
      const wrong = await room.ask("PUT", path("a"), { latencyMs: 99_999, seconds: 0 });
      expect(wrong).toMatchObject({
        status: 422,
        body: { problems: [{}, {}].map(() => expect.any(String)) },
      });
      expect((await room.ask("PUT", path("a"), order)).status).toBe(200);
      expect(await room.ask("PUT", path("b"), order)).toMatchObject({
        status: 409,
        body: { reason: "rehearsal_unsafe", detail: expect.stringContaining("2 of 3") },
      });
      expect((await room.ask("DELETE", path("a"), { reason: "seen" })).body["rehearsal"]).toBeNull();
      expect((await room.ask("PUT", path("b"), order)).status).toBe(200);
      await room.proxy.kill("SIGTERM");
      await room.restart();
      expect((await room.upstream("b"))?.rehearsal).toBeNull();
      const told = (await room.events("upstream=b")).map(({ kind, to, reason }) => `${kind} ${to} ${reason}`);
      expect(told).toContain("rehearsal none draining");
    },
    20_000,
  );

  test.concurrent(
    "makes probes fail where it is told to, and the record says that it was one",
    async () => {
      await using room = await roomWith();
      const order = { probes: true, seconds: 600 };
      expect((await room.ask("PUT", "/api/upstreams/c/rehearsal", order)).status).toBe(200);
      await until(async () => (await room.upstream("c"))?.status === "failing", "the verdict", 15_000);
      expect((await room.upstream("c"))?.lastProbe).toMatchObject({ success: false, detail: "rehearsal" });
    },
    20_000,
  );

  test.concurrent(
    "delays what goes there until its upstream is suspected, and clients get their answers",
    async () => {
      await using room = await roomWith("--engine", "wire");
      const order = { latencyMs: 20_000, probes: true, seconds: 60 };
      await room.ask("PUT", "/api/upstreams/a/rehearsal", order);
      const startedAt = performance.now();
      const responses = await Promise.all(
        Array.from({ length: 12 }, async () => (await fetch(room.url)).status),
      );
      expect([...new Set(responses)]).toEqual([200]);
      // Suspected after a second and found down, or found down by its probe.
      expect(performance.now() - startedAt).toBeLessThan(8_000);
      expect((await room.upstream("a"))?.status).toBe("failing");
      expect((await room.upstream("a"))?.rescues).toBeGreaterThan(0);
    },
    20_000,
  );

  test.concurrent(
    "is begun and ended from the command line",
    async () => {
      await using room = await roomWith();
      const run = async (...argv: string[]) => {
        const program = room.programs.evenkeel("rehearse", ...argv, "--admin-url", room.admin);
        return { code: (await program.exited).code, out: program.stdout + program.stderr };
      };
      const begun = await run("a", "--latency", "2s", "--errors", "0.3", "--for", "30s", "--reason", "drill");
      expect(begun).toEqual({
        code: 0,
        out: "Fault injection on a: +2000 ms, 30 % connect_refused, for 30s.\n",
      });
      expect((await room.upstream("a"))?.rehearsal).toMatchObject({
        latencyMs: 2_000,
        by: expect.stringMatching(/./),
        why: "drill",
      });
      expect(await run("a", "--end")).toEqual({ code: 0, out: "Fault injection on a stopped.\n" });
      expect((await room.upstream("a"))?.rehearsal).toBeNull();
      expect((await run("a", "--errors", "7")).code).toBe(2);
    },
    30_000,
  );
});
