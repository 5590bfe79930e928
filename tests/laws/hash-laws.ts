/** What engines must do with the hash keys of requests. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { type HashBy, hashKeyFor } from "../../src/proxy/hash-key.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { sendRequest } from "../support/raw-client.ts";
import { type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";

/** The key that an engine computes for a request with these header lines. */
async function keyOf(engine: Engine, by: HashBy, lines: readonly string[]): Promise<string[]> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const keys: string[] = [];
  const compute = hashKeyFor(by);
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    policy: "hash",
    destination: {
      keyOf(head) {
        const key = compute(head);
        keys.push(key);
        return key;
      },
    },
  });
  try {
    const head = ["GET / HTTP/1.1", "Host: shop.example", ...lines, "", ""].join("\r\n");
    expect((await sendRequest(fixture.port, head)).status).toBe(200);
    expect(fixture.bugs).toEqual([]);
    return keys;
  } finally {
    fixture.close();
    await origin.close();
  }
}

const address = "127.0.0.1";

const rows: readonly (readonly [by: HashBy, lines: readonly string[], key: string])[] = [
  ["header:X-User", [], address],
  ["header:X-User", ["X-User:"], address],
  ["header:X-User", ["X-User: \t "], address],
  ["header:X-User", ["X-User:", "x-user: "], address],
  ["header:X-User", ["X-User:  ann "], "ann"],
  ["cookie:sid", [], address],
  ["cookie:sid", ["Cookie:"], address],
  ["cookie:sid", ["Cookie: sid="], address],
  ["cookie:sid", ['Cookie: sid=""; a=1'], address],
  ["cookie:sid", ["Cookie: sid=; sid=7"], "7"],
  ["cookie:sid", ["Cookie: a=1", "Cookie: sid=7"], "7"],
];

/** The upstream of each of five requests with one key, with three upstreams that respond as scripted. */
async function chosen(
  engine: Engine,
  respond: (port: number, socket: Socket) => void,
  options: Partial<EngineFixtureOptions>,
): Promise<string[]> {
  const origins: Origin[] = [];
  for (let i = 0; i < 3; i++) {
    const origin: Origin = await startOrigin((_, socket) => respond(origin.port, socket));
    origins.push(origin);
  }
  const ports = origins.map(({ port }) => port);
  const fixture = await startEngine(engine, {
    ports,
    policy: "hash",
    ...options,
    destination: { keyOf: () => "one key", ...options.destination },
  });
  try {
    const bodies: string[] = [];
    for (let i = 0; i < 5; i++) {
      const response = await sendRequest(fixture.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      bodies.push(response.body.toString());
    }
    expect(fixture.bugs).toEqual([]);
    const first = fixture.pool.select("one key", []);
    const second = fixture.pool.select("one key", first ? [first] : []);
    expect(new Set(bodies)).toEqual(new Set([String(second?.address.port)]));
    return bodies;
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

/** Behaves badly at the port that is asked first; responds with its own port otherwise. */
function firstFails(fail: (socket: Socket) => void): (port: number, socket: Socket) => void {
  let first: number | undefined;
  return (port, socket) => {
    first ??= port;
    if (port === first) fail(socket);
    else socket.write(respondWith(String(port)));
  };
}

export const hashLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "hashes an empty header or cookie like a missing one: by address": async (engine) => {
    for (const [by, lines, key] of rows) {
      expect({ by, lines, keys: await keyOf(engine, by, lines) }).toEqual({ by, lines, keys: [key] });
    }
  },

  "retries a request at the next choice of its hash key": async (engine) => {
    const respond = firstFails((socket) => void socket.destroy());
    expect(await chosen(engine, respond, { retries: 1 })).toHaveLength(5);
  },

  "retries a status at the next choice of the hash key": async (engine) => {
    const respond = firstFails((socket) => void socket.write(respondWith("", [], "503 Unavailable")));
    const destination = { retryStatuses: new Set([503]) };
    expect(await chosen(engine, respond, { retries: 1, destination })).toHaveLength(5);
  },

  "hedges a request at the next choice of its hash key": async (engine) => {
    expect(
      await chosen(
        engine,
        firstFails(() => {}),
        { hedgeAfterMs: 20 },
      ),
    ).toHaveLength(5);
  },
};
