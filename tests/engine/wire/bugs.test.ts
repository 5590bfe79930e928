import { expect, test } from "bun:test";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine, nodeSockets } from "../../../src/engine/wire/node.ts";
import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import type { Sockets } from "../../../src/engine/wire/sockets.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { seededRandom } from "../../../src/lib/random.ts";
import { FaultInjection } from "../../../src/fault/fault.ts";
import { Upstream } from "../../../src/pool/upstream.ts";
import { respondWith, type Origin, startOrigin } from "../../support/origin.ts";
import { sendRequest, RawClient } from "../../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../../support/engine-fixture.ts";
import { testLimits } from "../../support/upstreams.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

test.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
] as const)(
  "a bug at the end of an attempt is reported and leaves no client hanging, on %s",
  async (_, engine) => {
    const origin = await startOrigin(({ target }, socket) => {
      socket.write(target === "/cut" ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok" : respondWith("ok"));
      if (target === "/cut") socket.end();
    });
    const set = await startEngine(engine, { ports: [origin.port], retries: 0 });
    const { ended } = set;
    try {
      for (const target of ["/whole", "/cut"]) {
        ended.push = () => {
          ended.push = Array.prototype.push;
          throw new Error(`a bug at the end of ${target}`);
        };
        const client = await RawClient.connect(set.port);
        client.send(get(target));
        await until(() => client.isClosed, "the client to be disconnected");
        expect(String(set.bugs.pop())).toContain(`a bug at the end of ${target}`);
        expect((await sendRequest(set.port, get("/next"))).body.toString()).toBe("ok");
      }
      await until(() => set.listener.active() === 0, "no request to be active");
    } finally {
      set.close();
      await origin.close();
    }
  },
);

/** Sockets whose next connect throws after `isLeft` is set. */
function faultySockets() {
  const fault = { isLeft: false };
  const sockets: Sockets = {
    ...nodeSockets,
    connect(address, host, handler) {
      if (!fault.isLeft) return nodeSockets.connect(address, host, handler);
      fault.isLeft = false;
      throw new Error("a bug of the timers' side");
    },
  };
  return { fault, engine: wireEngineOver(sockets) };
}

interface FaultScene {
  readonly set: EngineFixture;
  readonly origin: Origin;
  readonly fault: { isLeft: boolean };
  readonly client: () => Promise<RawClient>;
}

/** One request meets the bug outside its own sockets' events, and other requests continue. */
async function meetsBug(options: Partial<EngineFixtureOptions>, act: (scene: FaultScene) => Promise<void>) {
  const { fault, engine } = faultySockets();
  const origin = await startOrigin(({ target }, socket) => {
    if (target !== "/held") socket.write(respondWith("ok"));
  });
  const set = await startEngine(engine, { ports: [origin.port], retries: 0, ...options });
  const clients: RawClient[] = [];
  const client = async () => {
    const one = await RawClient.connect(set.port);
    clients.push(one);
    return one;
  };
  try {
    await act({ set, origin, fault, client });
    expect(set.bugs.map(String)).toEqual(["Error: a bug of the timers' side"]);
    expect((await sendRequest(set.port, get("/next"))).body.toString()).toBe("ok");
    for (const one of clients) one.destroy();
    await until(() => set.listener.active() === 0, "no request to be active");
    expect(set.pool.upstreams[0]?.inFlight).toBe(0);
  } finally {
    set.close();
    await origin.close();
  }
}

test("a bug at the end of an injected delay fails that request only", () =>
  meetsBug({}, async ({ set, fault, client }) => {
    const [first] = set.pool.upstreams;
    const plan = { latencyMs: 50, errorShare: 0, error: "connect_refused", probes: false } as const;
    const over = { until: systemClock() + 60_000, by: "ann", why: "" };
    if (first) set.faults.set(first, new FaultInjection({ ...plan, ...over }, seededRandom(1)));
    fault.isLeft = true;
    const [one, other] = [await client(), await client()];
    one.send(get());
    other.send(get());
    expect((await one.readResponse()).status).toBe(500);
    expect((await other.readResponse()).status).toBe(200);
  }));

test("a bug when a queued request gets a slot fails that request only", () =>
  meetsBug(
    { queue: { maxWaiting: 9, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
    async ({ set, origin, fault, client }) => {
      const held = await client();
      held.send(get("/held"));
      await until(() => origin.requests.length === 1, "the first one");
      const waiting = [await client(), await client()];
      for (const [index, one] of waiting.entries()) {
        one.send(get());
        await until(() => set.queued() === index + 1, "the queue");
      }
      fault.isLeft = true;
      held.destroy();
      expect((await waiting[0]?.readResponse())?.status).toBe(500);
      expect((await waiting[1]?.readResponse())?.status).toBe(200);
    },
  ));

test("a bug when a hedge starts fails that request only", () =>
  meetsBug({ hedgeAfterMs: 500, policy: "first" }, async ({ set, origin, fault, client }) => {
    const spare = await startOrigin(() => {});
    const address = { protocol: "http", hostname: "127.0.0.1", port: spare.port } as const;
    const other = new Upstream({ id: "spare", weight: 1, backup: false, address }, testLimits);
    set.pool.setUpstreams([...set.pool.upstreams, other]);
    set.pool.recordProbe(other, true);
    const held = await client();
    held.send(get("/held"));
    await until(() => origin.requests.length === 1, "the first attempt");
    fault.isLeft = true;
    expect((await held.readResponse()).status).toBe(500);
    await spare.close();
  }));

test("a bug at a client's timeout fails that client only", async () => {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const set = await startEngine(wireEngine, {
    ports: [origin.port],
    retries: 0,
    clientTimeouts: { bodyIdleMs: 100 },
  });
  const { ended } = set;
  ended.push = () => {
    ended.push = Array.prototype.push;
    throw new Error("a bug at a deadline");
  };
  const [one, other] = [await RawClient.connect(set.port), await RawClient.connect(set.port)];
  try {
    const stalled = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    one.send(stalled);
    other.send(stalled);
    expect([(await one.readResponse()).status, (await other.readResponse()).status].toSorted()).toEqual([
      408, 500,
    ]);
    expect(set.bugs.map(String)).toEqual(["Error: a bug at a deadline"]);
    await until(() => set.listener.active() === 0, "no request to be active");
  } finally {
    one.destroy();
    other.destroy();
    set.close();
    await origin.close();
  }
});
