import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { taggedText, upstreamEtag } from "../../src/admin/etags.ts";
import type { UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";

describe("the tag of an upstream", () => {
  const mark = { by: "ann", at: 5, why: "" };
  const upstream = { id: "a", url: "http://a", weight: 1, backup: false, mode: "ready" } as UpstreamSnapshot;
  const tag = upstreamEtag(upstream);

  test.each<Partial<UpstreamSnapshot>>([
    { weight: 2 },
    { mode: "draining" },
    { backup: true },
    { url: "http://b" },
    { modeSet: mark },
    { weightSet: mark },
    { added: mark },
    { drain: { since: 1, deadline: null, inFlight: 0, drained: true, leaving: true } },
  ])("changes with %j", (change) => expect(upstreamEtag({ ...upstream, ...change })).not.toBe(tag));

  test.each<Partial<UpstreamSnapshot>>([
    { inFlight: 9, fit: false, status: "failing" },
    { effectiveWeight: 0.5, slowStart: 0.5, rescues: 3 },
    { traffic: { requests: 7 } as UpstreamSnapshot["traffic"] },
  ])("stays the same with %j", (change) => expect(upstreamEtag({ ...upstream, ...change })).toBe(tag));
});

describe("a tagged text", () => {
  const ask = (known: string) =>
    taggedText(new Request("http://a", { headers: { "If-None-Match": known } }), "text", "text/plain");
  const tag = ask("").headers.get("etag") ?? "";

  test.each([
    [tag, 304],
    [`W/${tag}`, 304],
    [`"other", ${tag}`, 304],
    ["*", 304],
    ['"other"', 200],
    [tag.slice(1, -1), 200],
  ])("is requested with %s and responds %i", async (known, status) => {
    const response = ask(known);
    expect(response.status).toBe(status);
    expect(response.headers.get("etag")).toBe(tag);
    expect(await response.text()).toBe(status === 304 ? "" : "text");
  });
});

describe("a reload with If-Match", () => {
  test("succeeds while the configuration is unchanged, and fails with 412 after a change", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    const seen = async () => (await fetch(`${fixture.admin}/api/config`)).headers.get("etag") ?? "";
    const reload = async (tag: string, query = "") => {
      const headers = { "If-Match": tag };
      const response = await fetch(`${fixture.admin}/api/reload${query}`, { method: "POST", headers });
      const body = (await response.json()) as Record<string, unknown>;
      return { status: response.status, body, tag: response.headers.get("etag") ?? "" };
    };
    const first = await seen();
    fixture.write(fixture.poolWith(["a", "b;weight=2"]));
    // A dry run changes nothing and returns the current tag.
    const dryRun = await reload(first, "?dry=1");
    expect(dryRun).toMatchObject({ status: 200, body: { applied: false } });
    const done = await reload(dryRun.tag);
    expect(done).toMatchObject({ status: 200, body: { applied: true } });
    expect(done.tag).toBe(await seen());
    fixture.write(fixture.poolWith(["a", "b;weight=3"]));
    const late = await reload(first);
    expect(late).toMatchObject({ status: 412, body: { reason: "configuration_changed" }, tag: done.tag });
    expect((await fixture.upstream("b"))?.weight).toBe(2);
    expect(await reload(`W/${done.tag}`)).toMatchObject({ status: 412 });
    expect(await reload(first, "?dry=1")).toMatchObject({ status: 412 });
    expect(await reload(`"old", ${done.tag}`)).toMatchObject({ status: 200, body: { applied: true } });
    expect(await reload("*")).toMatchObject({ status: 200, body: { applied: false } });
  }, 20_000);
});

describe("a write with If-Match", () => {
  const fixture = new BalancerFixture();
  beforeAll(async () => {
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const send = async (
    method: string,
    path: string,
    { body = {}, tag }: { body?: object; tag?: string } = {},
  ) => {
    const response = await fetch(fixture.admin + path, {
      method,
      ...(method === "GET" ? {} : { body: JSON.stringify(body) }),
      headers: tag === undefined ? {} : { "If-Match": tag },
    });
    const content = (await response.json()) as Record<string, unknown>;
    return { status: response.status, body: content, tag: response.headers.get("etag") ?? "" };
  };

  test("succeeds while nothing was set since, whatever the traffic, and returns the new tag", async () => {
    const { tag } = await send("GET", "/api/upstreams/a");
    for (let request = 0; request < 10; request++) await (await fetch(`${fixture.url}/work`)).text();
    expect((await send("GET", "/api/upstreams/a")).tag).toBe(tag);
    const done = await send("PATCH", "/api/upstreams/a", { body: { weight: 5 }, tag });
    expect(done).toMatchObject({ status: 200, body: { weight: 5 } });
    expect(done.tag).not.toBe(tag);
    expect((await send("GET", "/api/upstreams/a")).tag).toBe(done.tag);
  });

  test("fails with 412 and the current state after another change; without If-Match it succeeds", async () => {
    const { tag: seen } = await send("GET", "/api/upstreams/a");
    const { tag: now } = await send("POST", "/api/upstreams/a/mode", { body: { mode: "draining" } });
    for (const [method, path, body] of [
      ["PATCH", "/api/upstreams/a", { weight: 9 }],
      ["POST", "/api/upstreams/a/mode", { mode: "ready" }],
      ["POST", "/api/upstreams/a/drain", {}],
      ["DELETE", "/api/upstreams/a", {}],
    ] as const) {
      const late = await send(method, path, { body, tag: seen });
      expect(late).toMatchObject({ status: 412, body: { reason: "intent_changed" }, tag: now });
      expect(late.body["current"]).toMatchObject({ id: "a", mode: "draining", weight: 5 });
    }
    // A weak tag never matches; an outdated tag in a list is ignored.
    expect((await send("PATCH", "/api/upstreams/a", { body: { weight: 9 }, tag: `W/${now}` })).status).toBe(
      412,
    );
    const listed = await send("PATCH", "/api/upstreams/a", { body: { weight: 9 }, tag: `${seen}, ${now}` });
    expect(listed).toMatchObject({ status: 200, body: { weight: 9 } });
    for (const tag of ["*", undefined]) {
      const body = { mode: "ready" };
      const done = await send("POST", "/api/upstreams/a/mode", { body, ...(tag && { tag }) });
      expect(done).toMatchObject({ status: 200, body: { mode: "ready" } });
    }
  });

  test("is exclusive: of many concurrent writes with the same tag exactly one succeeds", async () => {
    const { tag } = await send("GET", "/api/upstreams/b");
    const all = await Promise.all(
      [2, 3, 4, 5, 6, 7].map((weight) => send("PATCH", "/api/upstreams/b", { body: { weight }, tag })),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 412, 412, 412, 412, 412]);
    const won = all.find(({ status }) => status === 200);
    expect((await send("GET", "/api/upstreams/b")).body["weight"]).toBe(Number(won?.body["weight"]));
  });

  test("adds to a pool that is unchanged, and not to a changed one", async () => {
    const { tag } = await send("GET", "/api/pools/main");
    const path = "/api/pools/main/upstreams";
    const added = await send("POST", path, { body: { url: "http://127.0.0.1:9", name: "c" }, tag });
    expect(added.status).toBe(201);
    const late = await send("POST", path, { body: { url: "http://127.0.0.1:10", name: "d" }, tag });
    expect(late).toMatchObject({ status: 412, body: { reason: "intent_changed" } });
    expect(late.body["current"]).toMatchObject({ name: "main" });
    expect(late.tag).toBe((await send("GET", "/api/pools/main")).tag);
    expect(await fixture.ids()).toEqual(["a", "b", "c"]);
  });
});
