/** What engines must do when a record sink or the log throws: report it, and serve the request all the same. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { type EngineFixture, startEngine, type WatcherCall } from "../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** Sends two requests on one connection to a dead upstream and one that responds, or to the dead one alone. */
async function withWatcherBug(
  engine: Engine,
  throwsIn: WatcherCall,
  hasHealthy: boolean,
  run: (client: RawClient, fixture: EngineFixture) => Promise<void>,
): Promise<void> {
  const dead = await startOrigin(() => {});
  await dead.close();
  const origin = await startOrigin(({ target }, socket) => {
    if (target === "/small") return void socket.write(respondWith("ok", ["Content-Type: text/plain"]));
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
    setTimeout(() => socket.write("0\r\n\r\n"), 5);
  });
  const fixture = await startEngine(engine, {
    ports: hasHealthy ? [dead.port, origin.port] : [dead.port],
    policy: "first",
    throwsIn,
  });
  const client = await RawClient.connect(fixture.port);
  try {
    await run(client, fixture);
    await until(() => fixture.listener.active() === 0, `nothing to be active, with a bug in ${throwsIn}`);
    expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight).every((count) => count === 0)).toBe(true);
  } finally {
    client.destroy();
    fixture.close();
    await origin.close();
  }
}

export const watcherLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "serves requests although a record sink or the log throws, and reports each bug": async (engine) => {
    for (const call of ["wants", "wantsSlow", "accept", "warn"] as const) {
      await withWatcherBug(engine, call, true, async (client, fixture) => {
        for (const [index, target] of ["/small", "/streamed", "/small"].entries()) {
          const response = await client.send(get(target)).readResponse();
          expect([call, target, response.status, response.body.toString()]).toEqual([
            call,
            target,
            200,
            "ok",
          ]);
          await until(() => fixture.bugs.length === index + 1, `the bug in ${call}`);
        }
        expect(fixture.bugs.map(String)).toEqual([1, 2, 3].map(() => `Error: a bug in ${call}`));
      });
    }
  },

  "refuses requests as always although a record sink or the log throws": async (engine) => {
    for (const call of ["wants", "wantsSlow", "accept", "warn"] as const) {
      await withWatcherBug(engine, call, false, async (client, fixture) => {
        for (const round of [1, 2]) {
          const response = await client.send(get("/small")).readResponse();
          expect([call, round, response.status]).toEqual([call, round, 502]);
          await until(() => fixture.bugs.length === round, `the bug in ${call}`);
        }
      });
    }
  },
};
