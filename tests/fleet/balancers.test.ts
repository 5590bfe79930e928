/** Three real balancers and a real store: orders, and faults of the store one by one. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import { type Member, TestFleet } from "../support/fleet.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const modeAt = (member: Member, id: string) => async () => (await member.upstream(id)).mode;

/** Resolves when an upstream has this mode at all of them. */
async function allHave(members: readonly Member[], id: string, mode: string, limitMs = 5_000): Promise<void> {
  for (const member of members)
    await until(
      async () => (await modeAt(member, id)()) === mode,
      `${id} is ${mode} at ${member.name}`,
      limitMs,
    );
}

const nothingPending = (members: readonly Member[]) =>
  until(
    async () => {
      const views = await Promise.all(members.map((member) => member.fleet()));
      return views.every(
        ({ alone, pending, revision }) => !alone && pending.length === 0 && revision === views[0]?.revision,
      );
    },
    "all follow the same commit, and nothing is pending",
    10_000,
  );

describe.if(hasRedis)("three balancers", () => {
  let fleet: TestFleet;
  let [a, b, c]: Member[] = [];
  const members = () => [a, b, c] as [Member, Member, Member];

  beforeAll(async () => {
    fleet = await TestFleet.start({ redis: { appendOnly: "always" } });
    [a, b, c] = fleet.members;
  }, 30_000);
  afterAll(() => fleet?.[Symbol.asyncDispose]());
  afterEach(async () => {
    fleet.redis.thaw();
    for (const { relay } of fleet.members) relay.heal();
    await fleet.together();
    for (const id of ["s1", "s2", "s3"]) await members()[0].setMode(id, "ready");
    await nothingPending(members());
    for (const id of ["s1", "s2", "s3"]) await allHave(members(), id, "ready");
  }, 30_000);

  test("share an order, with the name of who gave it and where", async () => {
    const [one, ...others] = members();
    expect(await one.setMode("s1", "draining", "new disk")).toMatchObject({ mode: "draining", shared: true });
    await allHave(others, "s1", "draining");
    for (const other of others) {
      const { modeSet, shared } = await other.upstream("s1");
      expect({ ...modeSet, shared }).toMatchObject({ by: "api at a", why: "new disk", shared: true });
      const recorded = await other.events("&upstream=s1&kind=mode");
      expect(recorded.at(-1)).toMatchObject({ to: "draining", by: "api at a", detail: "new disk" });
    }
    await others[1]?.setMode("s1", "ready");
    await allHave(members(), "s1", "ready");
  });

  test("share weights, and upstreams that come and go", async () => {
    const [one, two, three] = members();
    await one.call("PATCH", "/api/upstreams/s2", { weight: 7 });
    await two.call("POST", "/api/pools/main/upstreams", {
      url: "http://127.0.0.1:11",
      name: "s4",
      weight: 3,
    });
    await three.call("DELETE", "/api/upstreams/s3?wait=5s");
    const shape = async (member: Member) =>
      ((await member.snapshot()).pools[0]?.upstreams ?? [])
        .map(({ id, weight }) => `${id} ${weight}`)
        .join(", ");
    for (const member of members())
      await until(async () => (await shape(member)) === "s1 1, s2 7, s4 3", await shape(member), 10_000);
    expect((await one.upstream("s4")).added).toMatchObject({ by: "api at b" });
    await one.call("POST", "/api/pools/main/upstreams", { url: "http://127.0.0.1:9", name: "s3" });
    await two.call("DELETE", "/api/upstreams/s4?wait=5s");
    await three.call("PATCH", "/api/upstreams/s2", { weight: null });
    for (const member of members())
      await until(async () => (await shape(member)) === "s1 1, s2 1, s3 1", await shape(member), 10_000);
  }, 30_000);

  test("say who is there, and that one is silent while it is frozen", async () => {
    const [one, , three] = members();
    const view = await one.fleet();
    expect(view.peers.map(({ name, isSelf, state }) => [name, isSelf, state])).toEqual([
      ["a", true, "alive"],
      ["b", false, "alive"],
      ["c", false, "alive"],
    ]);
    expect(view).toMatchObject({ name: "a", group: "evenkeel", alone: null, differing: [], pending: [] });
    expect(new Set(view.peers.map(({ configuration }) => configuration)).size).toBe(1);
    three.program.child.kill("SIGSTOP");
    const stateOfC = async () => (await one.fleet()).peers.find(({ name }) => name === "c")?.state;
    try {
      await until(async () => (await stateOfC()) === "silent", "c is silent", 10_000);
      expect(await one.metric('evenkeel_fleet_balancers{state="silent"}')).toBe(1);
      // Its requests are not known.
      const report = await one.call<{ drained: boolean; elsewhere: string[] }>(
        "POST",
        "/api/upstreams/s1/drain?wait=1s",
      );
      expect(report.drained).toBe(false);
      expect(report.elsewhere.join()).toMatch(/^c silent for \d+ s: unknown$/);
    } finally {
      three.program.child.kill("SIGCONT");
    }
    await until(async () => (await stateOfC()) === "alive", "c is alive", 10_000);
  }, 30_000);

  test("take over what one ordered while it was alone, and it counted there at once", async () => {
    const [one, two, three] = members();
    three.relay.stall();
    const reasons = async () => (await three.events("&kind=fleet")).map(({ reason }) => reason);
    await until(async () => (await reasons()).at(-1) === "store_lost", "c is alone", 10_000);
    const answer = await three.setMode("s1", "maintenance");
    expect(answer.mode).toBe("maintenance");
    expect(answer.shared).toMatch(/^not yet: c is alone since \d{4}-.*: no answer/);
    await one.setMode("s2", "draining");
    await allHave([one, two], "s2", "draining");
    expect(await modeAt(one, "s1")()).toBe("ready");
    expect(await modeAt(three, "s2")()).toBe("ready");
    three.relay.heal();
    await allHave(members(), "s1", "maintenance");
    await allHave(members(), "s2", "draining");
    expect(await three.upstream("s1")).toMatchObject({ shared: true });
    const last = (await three.events("&kind=fleet")).at(-1);
    expect(last).toMatchObject({ reason: "store_back", detail: expect.stringMatching(/^after \d+s$/) });
  }, 30_000);

  test("let the more careful of two orders stand, and name both at all balancers", async () => {
    const [one, , three] = members();
    await one.setMode("s1", "draining");
    await allHave(members(), "s1", "draining");
    three.relay.cut();
    await until(async () => (await three.fleet()).alone !== null, "c is alone", 10_000);
    await three.setMode("s1", "ready", "disk is new");
    await one.setMode("s1", "maintenance", "disk is broken");
    three.relay.heal();
    await allHave(members(), "s1", "maintenance");
    for (const member of members())
      await until(async () => {
        const [event] = (await member.events("&kind=fleet")).filter(
          ({ reason }) => reason === "intent_set_aside",
        );
        return event?.from === "ready by api at c" && event.to === "maintenance by api at a";
      }, `${member.name} names both orders`);
    expect((await three.upstream("s1")).modeSet?.by).toBe("api at a");
  }, 30_000);

  test("give back to a store what it lost: flushed, evicted in part, or filled with rubbish", async () => {
    const [one, ...others] = members();
    await one.setMode("s1", "draining");
    await others[0]?.setMode("s2", "maintenance");
    await nothingPending(members());
    const stored = () => fleet.redis.command("HKEYS", "ek:{evenkeel}:entries");
    const loss = [
      ["FLUSHALL"],
      ["DEL", "ek:{evenkeel}:entries"],
      ["DEL", "ek:{evenkeel}:nonces"],
      ["DEL", "ek:{evenkeel}:epoch"],
    ];
    for (const command of loss) {
      fleet.redis.command(...command);
      await one.setMode("s3", "draining");
      await one.setMode("s3", "ready");
      await until(() => stored().includes("mode s1") && stored().includes("mode s2"), command.join(" "));
      await nothingPending(members());
      await allHave(members(), "s1", "draining");
      await allHave(members(), "s2", "maintenance");
    }
    fleet.redis.command(
      "HSET",
      "ek:{evenkeel}:entries",
      "mode s1",
      "rubbish",
      "what",
      "\u0001",
      "mode s9",
      '{"id":1}',
    );
    await one.setMode("s3", "draining");
    await until(() => fleet.redis.command("HGET", "ek:{evenkeel}:entries", "mode s1").includes("draining"));
    await allHave(members(), "s1", "draining");
    for (const member of members()) expect(await member.metric("evenkeel_bugs_total")).toBe(0);
    expect(
      (await one.metric("evenkeel_fleet_restored_total")) +
        ((await others[0]?.metric("evenkeel_fleet_restored_total")) ?? 0),
    ).toBeGreaterThan(0);
    fleet.redis.command("HDEL", "ek:{evenkeel}:entries", "what", "mode s9");
  }, 60_000);

  test("let go of an order that a person has deleted in the store, and say so", async () => {
    const [one, two] = members();
    await one.setMode("s1", "draining");
    await nothingPending(members());
    fleet.redis.command("HDEL", "ek:{evenkeel}:entries", "mode s1");
    await two.setMode("s2", "maintenance");
    await allHave(members(), "s1", "ready");
    const [event] = (await one.events("&upstream=s1&kind=mode")).slice(-1);
    expect(event).toMatchObject({
      to: "ready",
      by: "balancer",
      detail: "the store has no such order any more",
    });
  }, 30_000);

  test("give back to a store what it had when it comes back as it was some time ago", async () => {
    const [one, two] = members();
    await one.setMode("s1", "draining");
    await nothingPending(members());
    const copy = fleet.redis.copyOfData();
    await one.setMode("s1", "ready");
    await two.setMode("s2", "draining");
    await nothingPending(members());
    await fleet.redis.kill();
    fleet.redis.restoreData(copy);
    await fleet.redis.start();
    await fleet.together();
    await nothingPending(members());
    await allHave(members(), "s1", "ready");
    await allHave(members(), "s2", "draining");
  }, 60_000);

  test("survive what is too much, and names of the wrong kind of value", async () => {
    const [one, two] = members();
    fleet.redis.command(
      "EVAL",
      "for i=1,10100 do redis.call('HSET', KEYS[1], 'mode x'..i, 'x') end",
      "1",
      "ek:{evenkeel}:entries",
    );
    await one.setMode("s1", "draining");
    await until(
      async () => ((await one.fleet()).alone?.why ?? "").includes("orders, more than 10000"),
      "",
      10_000,
    );
    expect(await modeAt(one, "s1")()).toBe("draining");
    fleet.redis.command("DEL", "ek:{evenkeel}:entries");
    await allHave([two], "s1", "draining", 10_000);
    fleet.redis.command("DEL", "ek:{evenkeel}:nonces");
    fleet.redis.command("SET", "ek:{evenkeel}:nonces", "text");
    await until(async () => (await one.fleet()).alone !== null, "", 10_000);
    fleet.redis.command("DEL", "ek:{evenkeel}:nonces");
    await fleet.together();
  }, 60_000);

  test("keep a pending order over a restart, and shared ones without the store", async () => {
    const [one, two, three] = members();
    await one.setMode("s2", "draining");
    await nothingPending(members());
    three.relay.cut();
    await three.setMode("s1", "maintenance");
    await three.kill();
    await three.start();
    expect(await three.upstream("s1")).toMatchObject({ mode: "maintenance" });
    expect(await three.upstream("s2")).toMatchObject({ mode: "draining" });
    expect((await three.fleet()).pending).toMatchObject([
      { upstream: "s1", order: "maintenance", peer: "c" },
    ]);
    expect(three.program.stderr.match(/fleet store lost/g)?.length ?? 0).toBeLessThanOrEqual(1);
    three.relay.heal();
    await allHave([one, two], "s1", "maintenance");
  }, 60_000);
});
