import { describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { EngineName } from "../../src/config/config.ts";
import { ListenerMeter } from "../../src/metrics/listener-meter.ts";
import { failedListener } from "../../src/engine/engine.ts";
import { engines } from "../../src/runtime/bun.ts";
import type { ListenerTls } from "../../src/tls/listener-tls.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { type Origin, type OriginOptions, respondWith, startOrigin } from "../support/origin.ts";
import { pairOf, tlsWith } from "../support/tls-certificates.ts";
import { until } from "../support/wait.ts";

const pem = (name: string) =>
  readFileSync(join(import.meta.dirname, "../engine/wire/certificates", name), "utf8");
const pair = pairOf(pem("server.crt"), pem("server.key"));

/** Bun's client of HTTP/3 takes no authority of ours. */
const insecure = { rejectUnauthorized: false };

const overHttp3 = (port: number, path: string, init: RequestInit = {}) =>
  fetch(`https://127.0.0.1:${port}${path}`, { ...init, protocol: "h3", tls: insecure } as RequestInit);
const overTcp = (port: number, path: string) => fetch(`https://127.0.0.1:${port}${path}`, { tls: insecure });

interface Scene {
  readonly set: EngineFixture;
  readonly origin: Origin;
  readonly meter: ListenerMeter;
}

async function play(
  name: EngineName,
  run: (scene: Scene) => Promise<void>,
  { tls = tlsWith([pair]).tls, respond }: { tls?: ListenerTls; respond?: OriginOptions["respond"] } = {},
): Promise<void> {
  const meter = new ListenerMeter();
  const origin = await startOrigin(
    respond ??
      ((request, socket) =>
        void socket.write(respondWith(`got ${request.body.length}`, ["Alt-Svc: clear", "X-Reply: yes"]))),
  );
  const set = await startEngine(engines[name], {
    ports: [origin.port],
    listener: { tls, http3: true, hsts: "max-age=9", meter },
    routes: [{ host: "127.0.0.1" }],
  });
  try {
    await run({ set, origin, meter });
    expect(set.bugs).toEqual([]);
  } finally {
    set.close();
    await origin.close();
  }
}

describe.each(["wire", "fetch"] as const)("HTTP/3 beside the %s engine", (name) => {
  test(
    "serves the same pools on the UDP port of the same number",
    () =>
      play(name, async ({ set, origin, meter }) => {
        const response = await overHttp3(set.port, "/a?b=c", { headers: { "X-Ask": "1" } });
        expect([response.status, await response.text()]).toEqual([200, "got 0"]);
        expect(response.headers.get("x-reply")).toBe("yes");
        expect(response.headers.get("strict-transport-security")).toBe("max-age=9");
        const posted = await overHttp3(set.port, "/post", { method: "POST", body: "y".repeat(300_000) });
        expect(await posted.text()).toBe("got 300000");
        const [first] = origin.requests;
        expect([first?.target, first?.header("x-ask"), first?.header("x-forwarded-proto")]).toEqual([
          "/a?b=c",
          "1",
          "https",
        ]);
        expect(first?.header("x-forwarded-for")).toBe("127.0.0.1");
        expect(first?.header("x-forwarded-port")).toBe(String(set.port));
        await until(() => set.records.length === 2, "the records");
        expect(set.records[0]).toMatchObject({
          protocol: "h3",
          listener: "main",
          scheme: "https",
          clientAddress: "127.0.0.1",
        });
        expect(meter.http3).toBe(2);
      }),
    20_000,
  );

  test.each([1, 15_360, 65_536])(
    "sends a body of %i bytes with its length",
    (length) =>
      play(
        name,
        async ({ set }) => {
          const response = await overHttp3(set.port, "/");
          expect(response.headers.get("content-length")).toBe(String(length));
          expect(response.headers.get("content-type")).toBeNull();
          expect(await response.text()).toBe("x".repeat(length));
        },
        { respond: (_, socket) => void socket.write(respondWith("x".repeat(length))) },
      ),
    20_000,
  );

  test(
    "is announced over TCP, in place of what an upstream announces",
    () =>
      play(name, async ({ set }) => {
        const response = await overTcp(set.port, "/");
        expect(response.headers.get("alt-svc")).toBe(`h3=":${set.port}"; ma=86400`);
        await response.text();
        expect((await overHttp3(set.port, "/")).headers.get("alt-svc")).toBe("clear");
      }),
    20_000,
  );

  test("streams, and a drain lets what is in flight finish", () => {
    let finish = () => {};
    return play(
      name,
      async ({ set }) => {
        const response = await overHttp3(set.port, "/");
        const reader = response.body?.getReader();
        expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("one");
        expect(set.listener.active()).toBe(1);
        const drained = set.listener.drain();
        finish();
        let rest = "";
        for (;;) {
          const part = await reader?.read();
          if (!part || part.done) break;
          rest += Buffer.from(part.value).toString();
        }
        expect(rest).toBe("two");
        await drained;
        expect(set.listener.active()).toBe(0);
      },
      {
        respond(_, socket) {
          socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
          finish = () => void socket.write("3\r\ntwo\r\n0\r\n\r\n");
        },
      },
    );
  }, 20_000);

  test("begins with the first certificate, and goes on with the next one", () => {
    const { store, tls } = tlsWith([]);
    return play(
      name,
      async ({ set }) => {
        const isServed = async () => {
          const late = new AbortController();
          const timer = setTimeout(() => late.abort(), 1_000);
          const answer = overHttp3(set.port, "/", { signal: late.signal });
          const status = await answer.then(
            async (response) => (await response.text(), response.status),
            () => 0,
          );
          clearTimeout(timer);
          return status === 200;
        };
        expect(await isServed()).toBe(false);
        store.replace("test", [pair]);
        await until(isServed, "the first certificate to serve", 10_000);
        store.replace("test", [pairOf(pem("server.crt"), pem("server.key"), "next")]);
        await until(isServed, "the next certificate to serve", 10_000);
      },
      { tls },
    );
  }, 40_000);
});

test("a UDP port in use is an error of its listener, and nothing stays open", async () => {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) => taken.bind(port, "127.0.0.1", resolve));
  try {
    const starting = startEngine(engines.wire, {
      ports: [1],
      listener: { port, tls: tlsWith([pair]).tls, http3: true },
    });
    const error: unknown = await starting.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(Error);
    expect(failedListener(error)).toBe(0);
    const again = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    again.stop(true);
  } finally {
    taken.close();
  }
});
