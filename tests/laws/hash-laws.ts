/** What engines must do with the hash keys of requests. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { type HashBy, hashKeyFor } from "../../src/proxy/route.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { sendRequest } from "../support/raw-client.ts";
import { startEngine } from "../support/engine-fixture.ts";

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

export const hashLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "hashes an empty header or cookie like a missing one: by address": async (engine) => {
    for (const [by, lines, key] of rows) {
      expect({ by, lines, keys: await keyOf(engine, by, lines) }).toEqual({ by, lines, keys: [key] });
    }
  },
};
