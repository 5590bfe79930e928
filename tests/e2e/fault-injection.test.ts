import { describe, expect, test } from "bun:test";

import { BalancerFixture } from "../support/balancer-fixture.ts";
import { until } from "../support/wait.ts";

const steady = "    outlier: { ejection: 1s }\n    slowStart: 0\n";

async function startFixture(...flags: string[]): Promise<BalancerFixture> {
  const fixture = new BalancerFixture();
  await fixture.startServers("a", "b", "c");
  fixture.write(fixture.poolWith(["a", "b", "c"], steady));
  await fixture.start(...flags);
  return fixture;
}

/** Starts a load; `stop` returns the number of responses by status. */
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
])("a fault injection with %s %s %s %s", (...flags) => {
  test.concurrent(
    "ejects its upstream without a client error, ends automatically, and the upstream returns",
    async () => {
      await using fixture = await startFixture(...flags.filter(Boolean));
      const { stop } = load(fixture.url);
      const order = { errorShare: 1, error: "connect_refused", seconds: 3, reason: "drill" };
      const begun = await fixture.callAdmin("PUT", "/api/upstreams/a/rehearsal", order);
      expect(begun.status).toBe(200);
      expect(begun.body["rehearsal"]).toMatchObject({ errorShare: 1, by: "ann", why: "drill" });
      const status = async () => (await fixture.upstream("a"))?.status;
      await until(async () => (await status()) === "ejected", "the ejection", 3_000);
      const metrics = await (await fetch(`${fixture.admin}/metrics`)).text();
      expect(metrics).toContain('evenkeel_rehearsal{pool="main",upstream="a"} 1');
      expect(metrics).toContain('evenkeel_rehearsal{pool="main",upstream="b"} 0');
      await until(async () => (await fixture.upstream("a"))?.rehearsal === null, "its end", 5_000);
      await until(async () => (await status()) === "passing", "the return", 8_000);
      const served = (await fixture.upstream("a"))?.traffic.requests ?? 0;
      await until(
        async () => ((await fixture.upstream("a"))?.traffic.requests ?? 0) > served + 20,
        "traffic",
      );
      const statuses = await stop();
      expect(Object.keys(statuses)).toEqual(["200"]);
      const recorded = (await fixture.events("upstream=a")).map(({ kind, to, reason, by, detail }) =>
        [kind, to, reason, by, detail].join(" | "),
      );
      expect(recorded).toContain("rehearsal | 100% connect_refused | operator | ann | drill");
      expect(recorded).toContain("rehearsal | none | time_over | balancer | ");
      expect(recorded.find((line) => line.startsWith("outlier | ejected"))).toMatch(/, rehearsal$/);
      expect(fixture.proxy.stderr).toContain("fault injection started");
      expect(fixture.proxy.stderr).toContain("fault injection stopped");
    },
    40_000,
  );
});

describe("a fault injection", () => {
  test.concurrent(
    "is refused if too few upstreams would remain, ends on command, and does not survive a restart",
    async () => {
      await using fixture = await startFixture("--engine", "wire");
      const path = (id: string) => `/api/upstreams/${id}/rehearsal`;
      const order = { latencyMs: 10, seconds: 600 };
      expect((await fixture.callAdmin("PUT", path("x"), order)).status).toBe(404);
      expect((await fixture.callAdmin("DELETE", path("a"))).body["reason"]).toBe("rehearsal_none");
      const wrong = await fixture.callAdmin("PUT", path("a"), { latencyMs: 99_999, seconds: 0 });
      expect(wrong).toMatchObject({
        status: 422,
        body: { problems: [{}, {}].map(() => expect.any(String)) },
      });
      expect((await fixture.callAdmin("PUT", path("a"), order)).status).toBe(200);
      expect(await fixture.callAdmin("PUT", path("b"), order)).toMatchObject({
        status: 409,
        body: { reason: "rehearsal_unsafe", detail: expect.stringContaining("2 of 3") },
      });
      expect((await fixture.callAdmin("DELETE", path("a"), { reason: "seen" })).body["rehearsal"]).toBeNull();
      expect((await fixture.callAdmin("PUT", path("b"), order)).status).toBe(200);
      await fixture.proxy.kill("SIGTERM");
      await fixture.restart();
      expect((await fixture.upstream("b"))?.rehearsal).toBeNull();
      const recorded = (await fixture.events("upstream=b")).map(
        ({ kind, to, reason }) => `${kind} ${to} ${reason}`,
      );
      expect(recorded).toContain("rehearsal none draining");
    },
    60_000,
  );

  test.concurrent(
    "makes probes fail if configured, with `rehearsal` as the probe's detail",
    async () => {
      await using fixture = await startFixture();
      const order = { probes: true, seconds: 600 };
      expect((await fixture.callAdmin("PUT", "/api/upstreams/c/rehearsal", order)).status).toBe(200);
      await until(
        async () => (await fixture.upstream("c"))?.status === "failing",
        "the failing status",
        15_000,
      );
      expect((await fixture.upstream("c"))?.lastProbe).toMatchObject({ success: false, detail: "rehearsal" });
    },
    60_000,
  );

  test.concurrent(
    "delays attempts until the upstream is suspected, and clients get their responses",
    async () => {
      await using fixture = await startFixture("--engine", "wire");
      const order = { latencyMs: 20_000, probes: true, seconds: 60 };
      await fixture.callAdmin("PUT", "/api/upstreams/a/rehearsal", order);
      const startedAt = performance.now();
      const responses = await Promise.all(
        Array.from({ length: 12 }, async () => (await fetch(fixture.url)).status),
      );
      expect([...new Set(responses)]).toEqual([200]);
      // Suspected after a second and found down, or found down by its probe.
      expect(performance.now() - startedAt).toBeLessThan(8_000);
      expect((await fixture.upstream("a"))?.status).toBe("failing");
      expect((await fixture.upstream("a"))?.rescues).toBeGreaterThan(0);
    },
    60_000,
  );

  test.concurrent(
    "starts and ends from the command line",
    async () => {
      await using fixture = await startFixture();
      const run = async (...argv: string[]) => {
        const program = fixture.programs.evenkeel("rehearse", ...argv, "--admin-url", fixture.admin);
        return { code: (await program.exited).code, out: program.stdout + program.stderr };
      };
      const begun = await run("a", "--latency", "2s", "--errors", "0.3", "--for", "30s", "--reason", "drill");
      expect(begun).toEqual({
        code: 0,
        out: "Fault injection on a: +2 s, 30% connect_refused, for 30s.\n",
      });
      expect((await fixture.upstream("a"))?.rehearsal).toMatchObject({
        latencyMs: 2_000,
        by: expect.stringMatching(/./),
        why: "drill",
      });
      expect(await run("a", "--end")).toEqual({ code: 0, out: "Fault injection on a stopped.\n" });
      expect((await fixture.upstream("a"))?.rehearsal).toBeNull();
      expect((await run("a", "--errors", "7")).code).toBe(2);
    },
    30_000,
  );
});
