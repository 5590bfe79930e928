/** Drains over all balancers of a fleet, and balancers whose configurations differ. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { TestFleet, type Member } from "../support/fleet.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

interface DrainReport {
  readonly drained: boolean;
  readonly elsewhere: readonly string[];
}

const drain = (member: Member, id: string, wait: string) =>
  member.call<DrainReport>("POST", `/api/upstreams/${id}/drain?wait=${wait}`);

const settings = "probe: { interval: 1h, changingInterval: 1h }, slowStart: 0";

for (const [engine, workers] of [
  ["wire", 1],
  ["wire", 2],
  ["fetch", 1],
] as const)
  test.if(hasRedis)(
    `a drain is over when it is over at all balancers (engine ${engine}, workers ${workers})`,
    async () => {
      const answers: (() => void)[] = [];
      const origin = await startOrigin(
        (_, socket) => void answers.push(() => socket.write(respondWith("ok"))),
      );
      const configuration =
        `engine: ${engine}\nworkers: ${workers}\npools:\n  main: { ${settings}, upstreams: ` +
        `[{ url: "${origin.url}", name: s1 }, { url: "http://127.0.0.1:9", name: s2, weight: 0 }] }\n`;
      await using fleet = await TestFleet.start({ names: ["a", "b"], configuration });
      const [a, b] = [fleet.get("a"), fleet.get("b")];
      const response = fetch(`http://127.0.0.1:${b.port}/`);
      await until(() => answers.length === 1, "a request is under way at b");
      await until(async () => (await b.upstream("s1")).inFlight === 1, "b counts it");
      const early = await drain(a, "s1", "2s");
      expect(early).toMatchObject({ drained: false, elsewhere: ["b: 1 in flight"] });
      expect((await a.upstream("s1")).drain).toMatchObject({ drained: false, elsewhere: ["b: 1 in flight"] });
      const waiting = drain(a, "s1", "20s");
      answers[0]?.();
      expect(await (await response).text()).toBe("ok");
      expect(await waiting).toMatchObject({ drained: true, elsewhere: [] });
      const events = await a.events("&upstream=s1&kind=drain");
      expect(events.map(({ to }) => to)).toContain("drained");
      await origin.close();
    },
    60_000,
  );

test.if(hasRedis)(
  "a drain has its deadline at all balancers, so that clients may stay until then",
  async () => {
    await using fleet = await TestFleet.start({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    await a.call("POST", "/api/upstreams/s1/drain?deadline=10m");
    await until(async () => (await b.upstream("s1")).drain !== null);
    const { deadline, since } = (await b.upstream("s1")).drain ?? { deadline: 0, since: 0 };
    expect((deadline ?? 0) - since).toBe(600_000);
  },
  30_000,
);

test.if(hasRedis)(
  "a drain waits for a balancer that is alone, and says since when this one is",
  async () => {
    await using fleet = await TestFleet.start({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    a.relay.cut();
    await until(async () => (await a.fleet()).alone !== null);
    const report = await drain(a, "s1", "500ms");
    expect(report.drained).toBe(false);
    expect(report.elsewhere[0]).toMatch(
      /^a is alone since \d{4}-.*: (connection refused|the connection was cut)$/,
    );
    expect(report.elsewhere[1]).toMatch(/^b (does not follow the order yet|silent for \d+ s: unknown)$/);
    a.relay.heal();
    await until(async () => (await b.upstream("s1")).mode === "draining");
    expect(await drain(a, "s1", "10s")).toMatchObject({ drained: true, elsewhere: [] });
    // One that leaves is not waited for.
    await b.kill("SIGTERM");
    expect(await drain(a, "s2", "10s")).toMatchObject({ drained: true });
    expect((await a.fleet()).peers.map(({ name }) => name)).toEqual(["a"]);
  },
  60_000,
);

const fileWith = (member: Member, upstreams: readonly string[]) =>
  `fleet: { name: ${member.name}, redis: "${member.relay.url}" }\npools:\n  main: { ${settings}, upstreams: [${upstreams
    .map((name) => `{ url: "http://127.0.0.1:9", name: ${name} }`)
    .join(", ")}] }\n`;

test.if(hasRedis)(
  "a balancer with another configuration takes nothing from the others, until all have the same",
  async () => {
    await using fleet = await TestFleet.start({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    const ids = async (member: Member) =>
      ((await member.snapshot()).pools[0]?.upstreams ?? []).map(({ id }) => id).join(" ");
    await a.call("POST", "/api/pools/main/upstreams", { url: "http://127.0.0.1:11", name: "s4" });
    await a.call("PATCH", "/api/upstreams/s1", { weight: 5 });
    await until(async () => (await ids(b)) === "s1 s2 s3 s4", "b has it too");
    // The file of one has what was ordered: to it, the orders are redundant.
    const next = (member: Member) =>
      fileWith(member, ["s1", "s2", "s3", "s4"])
        .replace("name: s1 }", "name: s1, weight: 5 }")
        .replace('9", name: s4', '11", name: s4');
    writeFileSync(a.file, next(a));
    await a.call("POST", "/api/reload");
    await until(async () => (await b.fleet()).differing.join() === "a", "b sees that a differs");
    for (const member of [a, b]) {
      expect((await member.call<{ intents: object[] }>("GET", "/api/state")).intents).toHaveLength(2);
      expect(await ids(member)).toBe("s1 s2 s3 s4");
    }
    expect((await b.upstream("s1")).weight).toBe(5);
    writeFileSync(b.file, next(b));
    await b.call("POST", "/api/reload");
    for (const member of [a, b])
      await until(
        async () => (await member.call<{ intents: object[] }>("GET", "/api/state")).intents.length === 0,
        "what is redundant everywhere is withdrawn",
        10_000,
      );
    for (const member of [a, b]) expect(await ids(member)).toBe("s1 s2 s3 s4");
    await until(async () => (await a.fleet()).differing.length === 0, "the report of the other one", 10_000);
  },
  60_000,
);

test.if(hasRedis)(
  "a removal elsewhere does not end the drain of another server with the same name, also over a restart",
  async () => {
    await using fleet = await TestFleet.prepare({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    const file = fileWith(b, ["s1", "s2", "s3"]);
    writeFileSync(
      b.file,
      file.replace('9", name: s1', '11", name: s1').replace('9", name: s2', '11", name: s2'),
    );
    await Promise.all([a.start(), b.start()]);
    await a.setMode("s1", "draining");
    await a.call("PATCH", "/api/upstreams/s2", { weight: 0 });
    await until(async () => (await b.upstream("s1")).mode === "draining", "b drains it");
    await until(async () => (await b.upstream("s2")).weight === 0, "b takes it out");
    await a.call("DELETE", "/api/upstreams/s1");
    await a.call("DELETE", "/api/upstreams/s2");
    await a.setMode("s3", "maintenance");
    await until(async () => (await b.upstream("s3")).mode === "maintenance", "b follows what came later");
    const state = async () => [(await b.upstream("s1")).mode, (await b.upstream("s2")).weight];
    expect(await state()).toEqual(["draining", 0]);
    expect(b.program.stderr).toContain("upstream of another balancer not removed");
    await b.kill("SIGTERM");
    await b.start();
    await until(async () => (await b.fleet()).alone === null, "b is back");
    expect(await state()).toEqual(["draining", 0]);
  },
  60_000,
);

test.if(hasRedis)(
  "orders about upstreams that do not run here wait until they do",
  async () => {
    await using fleet = await TestFleet.prepare({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    writeFileSync(a.file, fileWith(a, ["s1", "s9"]));
    writeFileSync(b.file, fileWith(b, ["s1", "s2"]));
    await Promise.all([a.start(), b.start()]);
    await fleet.together();
    await a.setMode("s9", "maintenance");
    await until(async () => (await b.fleet()).waiting.length === 1);
    expect((await b.fleet()).waiting).toMatchObject([{ upstream: "s9", order: "maintenance", peer: "a" }]);
    writeFileSync(b.file, fileWith(b, ["s1", "s2", "s9"]));
    await b.call("POST", "/api/reload");
    expect(await b.upstream("s9")).toMatchObject({ mode: "maintenance", modeSet: { by: "api at a" } });
    // The last upstream of a pool stays, whatever others order.
    await a.call("DELETE", "/api/upstreams/s1?wait=5s");
    await until(async () => (await b.snapshot()).pools[0]?.upstreams.length === 2);
    writeFileSync(b.file, fileWith(b, ["s1"]));
    await b.call("POST", "/api/reload");
    expect((await b.snapshot()).pools[0]?.upstreams.map(({ id }) => id)).toEqual(["s1"]);
  },
  60_000,
);
