/** What every engine does with a pool whose clients stay with their upstreams. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { createSticky, type StickySettings } from "../../src/filter/sticky-cookie.ts";
import { hedgeWaiting } from "../../src/pool/attempt-control.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { switchingProtocols } from "../support/handshake.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { destinationTo, testPool, type TestPoolOptions } from "../support/pools.ts";
import { RawClient, type RawResponse, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

interface StickyFixture {
  readonly fixture: EngineFixture;
  readonly pool: Pool;
  readonly upstreams: readonly [Upstream, Upstream];
  readonly origins: readonly [Origin, Origin];
}

interface StickyOptions {
  readonly settings?: Partial<StickySettings>;
  readonly pool?: Partial<TestPoolOptions>;
  readonly destination?: Partial<Destination>;
  readonly engine?: Partial<EngineFixtureOptions>;
  /** Keeps requests for /wait until this is called. */
  readonly held?: (() => void)[];
}

export const stickySettings: StickySettings = {
  ...{ cookie: "evenkeel_web", maxAgeSeconds: 0, sameSite: "Lax", secure: "auto", path: "/" },
  whileDraining: "keep",
};

const secret = "a secret of more than thirty-two bytes";

async function withSticky(
  engine: Engine,
  { settings, pool: poolOptions, destination, engine: more, held }: StickyOptions,
  run: (setup: StickyFixture) => Promise<void>,
): Promise<void> {
  const start = (name: string) =>
    startOrigin({
      respond({ target }, socket) {
        const respond = () => void socket.write(respondWith(name, ["Set-Cookie: app=1"]));
        if (target === "/wait") held?.push(respond);
        else respond();
      },
      onHead(request, socket) {
        const key = request.header("sec-websocket-key");
        if (key !== undefined) socket.write(switchingProtocols(key));
        return key !== undefined;
      },
    });
  const origins = [await start("one"), await start("two")] as const;
  const pool = testPool("web", { ports: origins.map(({ port }) => port), ...poolOptions });
  const sticky = createSticky(pool, { ...stickySettings, ...settings }, [secret]);
  const fixture = await startEngine(engine, {
    ports: [],
    ...more,
    routes: [{ destination: destinationTo(pool, { sticky, ...destination }), handling: { filters: [] } }],
  });
  try {
    await run({ fixture, pool, origins, upstreams: pool.upstreams as [Upstream, Upstream] });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

const get = (cookie = "", target = "/") =>
  `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${cookie === "" ? "" : `Cookie: ${cookie}\r\n`}\r\n`;

/** The cookie of ours that a response sets, with its attributes. */
function setCookieIn({ headers }: RawResponse): string | undefined {
  return headers.find(
    ([name, value]) => name.toLowerCase() === "set-cookie" && value.startsWith("evenkeel"),
  )?.[1];
}

function cookieIn(response: RawResponse): string {
  return setCookieIn(response)?.split(";")[0] ?? "";
}

const bodyOf = ({ body }: RawResponse) => body.toString();

export const stickyLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "keeps a client with its upstream by a cookie that shows nothing and that upstreams do not get": (engine) =>
    withSticky(engine, {}, async ({ fixture, origins, upstreams }) => {
      const first = await sendRequest(fixture.port, get("theme=dark"));
      expect(setCookieIn(first)).toMatch(/^evenkeel_web=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
      expect(setCookieIn(first)).not.toContain(String(upstreams[0].address.port));
      expect(first.headers.filter(([name]) => name.toLowerCase() === "set-cookie")).toHaveLength(2);
      const client = await RawClient.connect(fixture.port);
      for (let i = 0; i < 5; i++) {
        const next = await client.send(get(`a=1; ${cookieIn(first)}; b="2"`)).readResponse();
        expect([bodyOf(next), setCookieIn(next)]).toEqual([bodyOf(first), undefined]);
      }
      await client.send(get(cookieIn(first))).readResponse();
      client.destroy();
      const [origin] = origins.filter(({ requests }) => requests.length > 0);
      expect(origin?.requests.map((request) => request.header("cookie"))).toEqual([
        "theme=dark",
        ...Array.from({ length: 5 }, () => 'a=1; b="2"'),
        undefined,
      ]);
      await until(() => fixture.records.length === 7, "the records");
      expect(fixture.records.map(({ sticky }) => sticky)).toEqual([
        "new",
        ...Array.from({ length: 6 }, () => "kept" as const),
      ]);
    }),

  "gives a client whose cookie it did not make a new one": (engine) =>
    withSticky(engine, {}, async ({ fixture }) => {
      for (const value of ["x", "", "a".repeat(22), "127.0.0.1:80", "a".repeat(4_000)]) {
        const response = await sendRequest(fixture.port, get(`evenkeel_web=${value}`));
        expect(setCookieIn(response)).toMatch(/^evenkeel_web=[\w-]{22};/);
      }
    }),

  "hides its cookie among others with any bytes that a header may have": (engine) =>
    withSticky(engine, {}, async ({ fixture, origins }) => {
      const cookie = cookieIn(await sendRequest(fixture.port, get()));
      for (const other of ["caf\xe9=\xff\x80", "caf\xc3\xa9=1", "tab=\t1", "=nameless", "valueless", ";;"]) {
        const response = await sendRequest(fixture.port, get(`${other}; ${cookie}; last=1`));
        expect([other, response.status]).toEqual([other, 200]);
      }
      const received = origins.flatMap(({ requests }) =>
        requests.map((request) => request.header("cookie") ?? ""),
      );
      expect(received).toHaveLength(7);
      for (const field of received.slice(1)) {
        expect(field).toEndWith("last=1");
        expect(field).not.toContain("evenkeel");
      }
    }),

  "moves the client of an upstream that is down, and keeps that of one with weight 0 or in a drain": (
    engine,
  ) =>
    withSticky(engine, {}, async ({ fixture, pool, upstreams }) => {
      const first = await sendRequest(fixture.port, get());
      const cookie = cookieIn(first);
      const own = upstreams[bodyOf(first) === "one" ? 0 : 1];
      const ask = async () => {
        const response = await sendRequest(fixture.port, get(cookie));
        return [bodyOf(response) === bodyOf(first), setCookieIn(response) !== undefined];
      };
      const [kept, moved] = [
        [true, false],
        [false, true],
      ];
      pool.adjust(own, { weight: 0, backup: false });
      expect(await ask()).toEqual(kept);
      pool.adjust(own, { weight: 1, backup: false });
      pool.setMode(own, "draining");
      expect(await ask()).toEqual(kept);
      own.isDrainLate = true;
      expect(await ask()).toEqual(moved);
      own.isDrainLate = false;
      pool.setMode(own, "maintenance");
      expect(await ask()).toEqual(moved);
      pool.setMode(own, "ready");
      expect(await ask()).toEqual(kept);
      for (let i = 0; i < 3; i++) pool.recordProbe(own, false);
      expect(await ask()).toEqual(moved);
      await until(() => fixture.records.length === 7, "the records");
      expect(fixture.records.map(({ sticky }) => sticky)).toEqual([
        ...(["new", "kept", "kept", "moved", "moved", "kept", "moved"] as const),
      ]);
    }),

  "moves clients at once where the pool says that a drain does": (engine) =>
    withSticky(engine, { settings: { whileDraining: "move" } }, async ({ fixture, pool, upstreams }) => {
      const first = await sendRequest(fixture.port, get());
      pool.setMode(upstreams[bodyOf(first) === "one" ? 0 : 1], "draining");
      const second = await sendRequest(fixture.port, get(cookieIn(first)));
      expect([bodyOf(second) === bodyOf(first), cookieIn(second) === ""]).toEqual([false, false]);
      expect(bodyOf(await sendRequest(fixture.port, get(cookieIn(second))))).toBe(bodyOf(second));
    }),

  "sets the cookie of the upstream that responded after a retry, also for a POST whose connection was refused":
    (engine) =>
      withSticky(engine, { pool: { policy: "first" } }, async ({ fixture, origins }) => {
        const first = await sendRequest(fixture.port, get());
        expect(bodyOf(first)).toBe("one");
        await origins[0].close();
        const body = "Content-Length: 2\r\n\r\nhi";
        const post = `POST / HTTP/1.1\r\nHost: shop.example\r\nCookie: ${cookieIn(first)}\r\n${body}`;
        const moved = await sendRequest(fixture.port, post, "POST");
        expect([moved.status, bodyOf(moved)]).toEqual([200, "two"]);
        expect(cookieIn(moved)).toMatch(/^evenkeel_web=[\w-]{22}$/);
        expect(cookieIn(moved)).not.toBe(cookieIn(first));
        // One that has no cookie gets that of the upstream that responded.
        const unnamed = await sendRequest(fixture.port, get());
        expect([bodyOf(unnamed), cookieIn(unnamed)]).toEqual(["two", cookieIn(moved)]);
        await until(() => fixture.records.length === 3, "the records");
        expect(fixture.records[1]).toMatchObject({ sticky: "moved", retried: ["connect_refused"] });
      }),

  "sends a request elsewhere without a new cookie while its upstream is at its limit": (engine) => {
    const held: (() => void)[] = [];
    return withSticky(engine, { pool: { limits: { maxInFlight: 1 } }, held }, async ({ fixture }) => {
      const first = await sendRequest(fixture.port, get());
      const waiting = sendRequest(fixture.port, get(cookieIn(first), "/wait"));
      await until(() => held.length === 1, "the slot to be taken");
      const elsewhere = await sendRequest(fixture.port, get(cookieIn(first)));
      expect([bodyOf(elsewhere) === bodyOf(first), setCookieIn(elsewhere)]).toEqual([false, undefined]);
      held[0]?.();
      expect(bodyOf(await waiting)).toBe(bodyOf(first));
      expect(bodyOf(await sendRequest(fixture.port, get(cookieIn(first))))).toBe(bodyOf(first));
      await until(() => fixture.records.length === 4, "the records");
      expect(fixture.records.map(({ sticky }) => sticky)).toEqual(["new", "full", "kept", "kept"]);
    });
  },

  "sets Secure where the client uses https, as far as a trusted proxy says": async (engine) => {
    const proxied = get().replace("\r\n\r\n", "\r\nX-Forwarded-Proto: https\r\n\r\n");
    for (const isTrusted of [false, true])
      await withSticky(engine, { engine: { isTrustedProxy: () => isTrusted } }, async ({ fixture }) => {
        expect(setCookieIn(await sendRequest(fixture.port, proxied))?.endsWith("; Secure")).toBe(isTrusted);
        expect(setCookieIn(await sendRequest(fixture.port, get()))).not.toContain("Secure");
      });
  },

  "sets the cookie with the response that opens a WebSocket": (engine) =>
    withSticky(engine, {}, async ({ fixture, pool }) => {
      const handshake = (cookie = "") =>
        get(cookie).replace(
          "\r\n\r\n",
          "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
      const client = await RawClient.connect(fixture.port);
      const first = await client.send(handshake()).readResponse();
      expect(first.status).toBe(101);
      expect(cookieIn(first)).toMatch(/^evenkeel_web=[\w-]{22}$/);
      const again = await RawClient.connect(fixture.port);
      const second = await again.send(handshake(cookieIn(first))).readResponse();
      expect([second.status, setCookieIn(second)]).toEqual([101, undefined]);
      expect(pool.upstreams.map(({ tunnels }) => tunnels).sort()).toEqual([0, 2]);
      for (const each of [client, again]) each.destroy();
      await until(() => pool.upstreams.every(({ inFlight }) => inFlight === 0), "the tunnels to end");
    }),

  "hedges no request that is with its client's upstream": async (engine) => {
    const held: (() => void)[] = [];
    const destination = { mayHedge: true };
    await withSticky(engine, { held, destination }, async ({ fixture, pool }) => {
      const first = await sendRequest(fixture.port, get());
      const waiting = sendRequest(fixture.port, get(cookieIn(first), "/wait"));
      await until(() => held.length === 1, "the request to wait");
      for (const upstream of pool.upstreams) hedgeWaiting(upstream, Infinity);
      held[0]?.();
      expect(bodyOf(await waiting)).toBe(bodyOf(first));
      await until(() => fixture.records.length === 2, "the records");
      expect(fixture.records[1]?.attempts).toHaveLength(1);
    });
  },
};
