/** What every engine does with a route that shares its requests among pools. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { createSplit, type SplitSettings } from "../../src/filter/split.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { destinationTo, testPool } from "../support/pools.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

interface SplitFixture {
  readonly fixture: EngineFixture;
  readonly origins: readonly [Origin, Origin];
  readonly pools: readonly [ReturnType<typeof testPool>, ReturnType<typeof testPool>];
}

async function withSplit(
  engine: Engine,
  settings: Partial<SplitSettings>,
  run: (setup: SplitFixture) => Promise<void>,
): Promise<void> {
  const start = (name: string) => startOrigin((_, socket) => void socket.write(respondWith(name)));
  const origins = [await start("stable"), await start("canary")] as const;
  const pools = [
    testPool("stable", { ports: [origins[0].port] }),
    testPool("canary", { ports: [origins[1].port] }),
  ] as const;
  const destinations = pools.map((pool) => ({ destination: destinationTo(pool), weight: 1 }));
  const split = createSplit({ routeId: "shop.example", pools: destinations, ...settings });
  const fixture = await startEngine(engine, {
    ports: [],
    routes: [{ name: "shop", split, handling: { filters: [] } }],
  });
  try {
    await run({ fixture, origins, pools });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

const get = (fields = "") => `GET / HTTP/1.1\r\nHost: shop.example\r\n${fields}\r\n`;
const users = Array.from({ length: 20 }, (_, i) => `X-User: user-${i}\r\n`);

export const splitLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "shares requests among the pools of a split, each client in the same one, and records which": (engine) =>
    withSplit(engine, { stickBy: "header:X-User" }, async ({ fixture }) => {
      const client = await RawClient.connect(fixture.port);
      const ask = async (fields: string) => (await client.send(get(fields)).readResponse()).body.toString();
      const first: string[] = [];
      for (const fields of users) first.push(await ask(fields));
      expect(new Set(first)).toEqual(new Set(["stable", "canary"]));
      for (const [i, fields] of users.entries()) expect(await ask(fields)).toBe(first[i] ?? "");
      client.destroy();
      await until(() => fixture.records.length === 40, "the records");
      expect(fixture.records.slice(0, 20).map(({ pool }) => pool)).toEqual(first);
      expect(fixture.records[0]?.split).toMatchObject({
        pool: first[0],
        by: "header:X-User",
        isFallback: false,
      });
    }),

  "keeps a client with its pool by a cookie of its own, which upstreams do not get": (engine) =>
    withSplit(engine, { stickBy: "cookie" }, async ({ fixture, origins }) => {
      const first = await sendRequest(fixture.port, get("Cookie: theme=dark\r\n"));
      const cookie = /^(evenkeel_split=[\w-]{22}); Path=\/; HttpOnly; SameSite=Lax$/.exec(
        first.header("set-cookie") ?? "",
      )?.[1];
      expect(cookie).toBeDefined();
      for (let i = 0; i < 6; i++) {
        const next = await sendRequest(fixture.port, get(`Cookie: a=1; ${cookie}; b="2"\r\n`));
        expect([next.body.toString(), next.header("set-cookie")]).toEqual([first.body.toString(), undefined]);
      }
      const [origin] = origins.filter(({ requests }) => requests.length === 7);
      expect(origin?.requests.map((request) => request.header("cookie"))).toEqual([
        "theme=dark",
        ...Array.from({ length: 6 }, () => 'a=1; b="2"'),
      ]);
    }),

  "refuses requests of a pool that cannot serve, or sends them to another one with fallback": async (
    engine,
  ) => {
    for (const fallback of [false, true])
      await withSplit(engine, { stickBy: "header:X-User", fallback }, async ({ fixture, pools }) => {
        const [stable] = pools;
        for (const upstream of stable.upstreams) stable.setMode(upstream, "maintenance");
        const statuses: number[] = [];
        for (const fields of users) statuses.push((await sendRequest(fixture.port, get(fields))).status);
        expect(new Set(statuses)).toEqual(new Set(fallback ? [200] : [200, 503]));
        await until(() => fixture.records.length === users.length, "the records");
        const fallen = fixture.records.filter(({ split }) => split?.isFallback);
        expect(fallen.length > 0).toBe(fallback);
        const refused = fixture.records.find(({ status }) => status === 503);
        if (!fallback) expect([refused?.pool, refused?.reason]).toEqual(["stable", "no_upstream"]);
      });
  },
};
