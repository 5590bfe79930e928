/** A new process takes over from one that is in a fleet. */

import { expect, test } from "bun:test";

import { TestFleet } from "../support/fleet.ts";
import { hasRedis } from "../support/redis-server.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

test.if(hasRedis && process.platform === "linux")(
  "an upgrade keeps what is shared and what is pending, and goes on sharing under the same name",
  async () => {
    await using fleet = await TestFleet.start({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    await using upgraded = new UpgradedProgram(a.program);
    const upgrade = async () => {
      const count = a.program.stderr.split('"took over"').length;
      process.kill(upgraded.pid, "SIGUSR2");
      await until(() => a.program.stderr.split('"took over"').length > count, a.program.describe(), 20_000);
    };
    await b.setMode("s1", "draining");
    await until(async () => (await a.upstream("s1")).mode === "draining");
    await upgrade();
    expect(await a.upstream("s1")).toMatchObject({ mode: "draining", modeSet: { by: "api at b" } });
    // It is shared: nothing was ordered again.
    await until(async () => (await a.fleet()).peers.length === 2, "a sees b", 10_000);
    expect((await a.fleet()).pending).toEqual([]);
    await b.setMode("s1", "ready");
    await until(async () => (await a.upstream("s1")).mode === "ready");
    await a.setMode("s2", "maintenance");
    await until(async () => (await b.upstream("s2")).mode === "maintenance");
    await until(() => upgraded.successors.length === 1, "the process before says that it was replaced");
    a.relay.cut();
    await a.setMode("s3", "draining");
    await upgrade();
    expect((await a.fleet()).pending).toMatchObject([{ upstream: "s3", order: "draining" }]);
    a.relay.heal();
    await until(async () => (await b.upstream("s3")).mode === "draining", "b follows", 10_000);
    expect((await a.events("&kind=fleet")).map(({ reason }) => reason)).not.toContain("name_used_twice");
    expect((await a.events("&kind=fleet")).map(({ reason }) => reason)).not.toContain("intent_set_aside");
    expect(upgraded.pid).toBeGreaterThan(0);
  },
  90_000,
);
