import { describe, expect, test } from "bun:test";

import type { EngineOptions } from "../../../src/engine/engine.ts";
import { connectionPoolFor } from "../../../src/engine/wire/connection-pool.ts";
import { defaults } from "../../../src/config/config.ts";
import { nodeSockets } from "../../../src/engine/wire/node.ts";
import { WireContext } from "../../../src/engine/wire/context.ts";
import type { WireSocket } from "../../../src/engine/wire/sockets.ts";
import { TimerWheel } from "../../../src/lib/timer-wheel.ts";
import { type Random, seededRandom } from "../../../src/lib/random.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { upstreamOf } from "../../support/upstreams.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;
const requestEveryMs = 5_000;
/** How late an end is noticed: at the next request, and the wheel has ticks. */
const slackMs = requestEveryMs + 200;

const socket: WireSocket = {
  write: (_bytes, _from, length) => length,
  shutdown() {},
  end() {},
  terminate() {},
  pause() {},
  resume() {},
};

const options: EngineOptions = {
  listeners: [{ name: "main", hostname: "127.0.0.1", port: 0 }],
  sharesPort: false,
  clientTimeouts: { headMs: 1, bodyIdleMs: 1, keepAliveMs: 1 },
  limits: defaults.limits,
  exchange() {
    throw new Error("Cannot open an exchange: this test sends no requests");
  },
  requestId: () => "",
  isTrustedProxy: () => false,
  viaName: "evenkeel-1",
  log: { bug() {}, warn() {} },
};

/** The age at which each of `count` connections closes that were opened together and are always in use. */
async function agesOf(count: number, random: Random, maxMs: number): Promise<number[]> {
  const time = new FakeTime();
  const wheel = new TimerWheel(time.clock, time.schedule);
  const context = new WireContext(options, { sockets: nodeSockets, wheel, random });
  const connections = connectionPoolFor(context, upstreamOf("a"));
  const open = Array.from({ length: count }, () => {
    const connection = connections.connect();
    connection.opened(socket);
    return connection;
  });
  const ages: number[] = [];
  while (ages.length < count && time.clock() < 2 * hourMs) {
    // Each is checked out for a request, which takes no time, and is checked in again.
    for (let taken = open.length; taken > 0; taken--) connections.checkOut();
    for (const connection of open.splice(0)) {
      if (connection.isOpen) connections.checkIn(connection, -1, maxMs);
      if (connection.isOpen) open.push(connection);
      else ages.push(time.clock());
    }
    await time.advance(requestEveryMs);
  }
  context.closeIdle();
  wheel.stop();
  return ages;
}

describe("connections that were opened together", () => {
  test("expire one after the other, at most a tenth before the maximum age", async () => {
    const ages = await agesOf(100, seededRandom(7), hourMs);
    expect(ages).toHaveLength(100);
    expect(Math.min(...ages)).toBeGreaterThan(0.9 * hourMs - 200);
    expect(Math.max(...ages)).toBeLessThanOrEqual(hourMs + slackMs);
    const perMinute = Map.groupBy(ages, (age) => Math.floor(age / minuteMs));
    expect(perMinute.size).toBeGreaterThanOrEqual(6);
    expect(Math.max(...[...perMinute.values()].map(({ length }) => length))).toBeLessThan(40);
  });

  test.each([
    [0, hourMs],
    [0.5, 0.95 * hourMs],
    [1 - 2 ** -32, 0.9 * hourMs],
  ])("expire by the random number: %d", async (drawn, age) => {
    const [seen = 0] = await agesOf(1, () => drawn, hourMs);
    expect(Math.abs(seen - age)).toBeLessThanOrEqual(slackMs);
  });

  test("never expire without a limit", async () =>
    expect(await agesOf(10, seededRandom(1), Infinity)).toEqual([]));
});
