/** The server of the store fails, and Sentinels make a replica the next one. */

import { expect, test } from "bun:test";

import { TestFleet } from "../support/fleet.ts";
import { hasSentinel, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

test.if(hasSentinel)(
  "after a failover orders go on within seconds, and none is lost",
  async () => {
    // A replica waits for others to come too, by default.
    await using first = await RedisServer.start({ lines: ["repl-diskless-sync-delay 0"] });
    await using second = await RedisServer.start({ lines: [`replicaof 127.0.0.1 ${first.port}`] });
    await until(
      () => second.command("INFO", "replication").includes("link_status:up"),
      "replication",
      20_000,
    );
    await using sentinel = await RedisServer.start({
      sentinel: true,
      lines: [
        ...[`sentinel monitor lead 127.0.0.1 ${first.port} 1`, "sentinel down-after-milliseconds lead 1000"],
        ...["sentinel failover-timeout lead 4000"],
      ],
    });
    await using fleet = await TestFleet.start({
      names: ["a", "b"],
      store: `sentinels: ["127.0.0.1:${sentinel.port}"], master: lead`,
    });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    await a.setMode("s1", "draining");
    await until(async () => (await b.upstream("s1")).mode === "draining", "b follows", 15_000);
    await b.setMode("s2", "maintenance");
    await until(async () => (await a.upstream("s2")).mode === "maintenance", "a follows", 15_000);
    await first.kill();
    const killedAt = performance.now();
    await a.setMode("s3", "draining");
    await until(async () => (await b.upstream("s3")).mode === "draining", "orders go on", 20_000);
    // One second of it is the patience of the Sentinel.
    expect(performance.now() - killedAt).toBeLessThan(10_000);
    await until(
      () => second.command("HKEYS", "ek:{evenkeel}:entries").includes("mode s2"),
      "s2 is back",
      10_000,
    );
    for (const member of [a, b]) {
      expect(await member.upstream("s1")).toMatchObject({ mode: "draining" });
      expect(await member.upstream("s2")).toMatchObject({ mode: "maintenance" });
    }
  },
  60_000,
);
