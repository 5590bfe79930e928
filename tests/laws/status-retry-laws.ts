/** What engines must do with responses whose status is retried: the head decides, however the bytes arrive. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, type RawResponse, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const headOf = (...headers: string[]) =>
  `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n${headers.join("\r\n")}\r\n\r\n`;
const small = `${headOf("Content-Length: 4")}busy`;

interface RetrySetup {
  readonly fixture: EngineFixture;
  /** Connections of the upstream whose status is retried, the newest last. */
  readonly first: readonly Socket[];
  readonly second: Origin;
}

interface RetryOptions extends Partial<EngineFixtureOptions> {
  /** Called with the request on the first upstream, whose status is retried. */
  readonly firstResponds: (socket: Socket) => void;
  /** Called with the retry. */
  readonly secondResponds: (socket: Socket) => void;
}

/** Two upstreams in order; 503 is retried. */
async function withRetries(
  engine: Engine,
  { firstResponds, secondResponds, ...options }: RetryOptions,
  run: (setup: RetrySetup) => Promise<void>,
): Promise<void> {
  const first: Socket[] = [];
  const origin = await startOrigin((_, socket) => {
    first.push(socket);
    firstResponds(socket);
  });
  const second = await startOrigin((_, socket) => secondResponds(socket));
  const fixture = await startEngine(engine, {
    ports: [origin.port, second.port],
    policy: "first",
    destination: { retryStatuses: new Set([503]) },
    ...options,
  });
  try {
    await run({ fixture, first, second });
    const { upstreams } = fixture.pool;
    await until(() => upstreams.every(({ inFlight }) => inFlight === 0), "all attempts to end");
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
    await second.close();
  }
}

/** Resolves after the bytes before have left in a segment of their own. */
const nextSegment = () => new Promise((resolve) => setTimeout(resolve, 2));

/** How a response may be framed; each is longer than what comes with its head. */
const longBody = "b".repeat(300_000);
const framings: ReadonlyArray<readonly [name: string, head: string, rest: string, body: string]> = [
  ["a short body", headOf("Content-Length: 4"), "busy", "busy"],
  ["a long body", headOf(`Content-Length: ${longBody.length}`), longBody, longBody],
  ["chunks", headOf("Transfer-Encoding: chunked"), "4\r\nbusy\r\n2\r\n!!\r\n0\r\n\r\n", "busy!!"],
  ["an empty body", headOf("Content-Length: 0"), "", ""],
];

function expectHeld(response: RawResponse, body: string, name: string): void {
  expect([name, response.status, response.body.toString() === body]).toEqual([name, 503, true]);
  expect([name, response.header("proxy-status")]).toEqual([name, undefined]);
}

export const statusRetryLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "retries a status when its head has arrived, at whichever byte the response is split": async (engine) => {
    const headEnd = small.indexOf("\r\n\r\n") + 4;
    let split = 0;
    const firstResponds = async (socket: Socket) => {
      socket.write(small.slice(0, split));
      // After the head the rest comes only when the retry has been answered.
      if (split >= headEnd) return;
      await nextSegment();
      socket.write(small.slice(split));
    };
    const secondResponds = (socket: Socket) => void socket.write(respondWith("ok"));
    await withRetries(engine, { firstResponds, secondResponds }, async ({ fixture, first, second }) => {
      for (split = 1; split <= small.length; split++) {
        const response = await sendRequest(fixture.port, get);
        expect([split, response.status, response.body.toString()]).toEqual([split, 200, "ok"]);
        expect([split, second.requests.length, fixture.retried.length]).toEqual([split, split, split]);
        if (split >= headEnd) first.at(-1)?.write(small.slice(split));
      }
    });
  },

  "sends the response whose status was retried, whole, if no other attempt does better": async (engine) => {
    for (const [name, head, rest, body] of framings) {
      for (const isSplit of [false, true]) {
        let finish = () => {};
        const firstResponds = (socket: Socket) => {
          if (isSplit) {
            socket.write(head);
            finish = () => void socket.write(rest);
          } else socket.write(head + rest);
        };
        const secondResponds = (socket: Socket) => {
          socket.destroy();
          finish();
        };
        await withRetries(engine, { firstResponds, secondResponds }, async ({ fixture }) => {
          const client = await RawClient.connect(fixture.port);
          for (const round of [1, 2]) {
            client.send(get);
            expectHeld(await client.readResponse(), body, `${name}, split: ${isSplit}, ${round}`);
          }
          client.destroy();
          expect(fixture.refused).toEqual([]);
        });
      }
    }
  },

  "sends the rest of a response whose status was retried as it comes, also if it ends with the connection": (
    engine,
  ) =>
    withRetries(
      engine,
      {
        firstResponds: (socket) => void socket.write(headOf("Connection: close")),
        secondResponds: (socket) => void socket.destroy(),
      },
      async ({ fixture, first }) => {
        const client = await RawClient.connect(fixture.port);
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        await until(() => fixture.ended.length === 2, "the retry to fail");
        first[0]?.write("bu");
        await until(() => client.received.toString().endsWith("bu"), "a part of the body");
        first[0]?.end("sy");
        expectHeld(await client.readResponse(), "busy", "until the end");
        client.destroy();
      },
    ),

  "refuses with the status that was retried if its response broke off and no other attempt does better": (
    engine,
  ) => {
    let fail = () => {};
    return withRetries(
      engine,
      {
        firstResponds: (socket) => void socket.write(`${headOf("Content-Length: 4")}bu`),
        secondResponds: (socket) => void (fail = () => socket.destroy()),
      },
      async ({ fixture, first, second }) => {
        const pending = sendRequest(fixture.port, get);
        await until(() => second.requests.length === 1, "the retry");
        first[0]?.resetAndDestroy();
        await until(() => first[0]?.closed === true, "the first connection to close");
        await until(() => fixture.ended.length === 1, "the first attempt to end");
        // The engine has read the reset once it has responded to what was sent after it.
        expect((await sendRequest(fixture.port, get.replace("Host", "No Host"))).status).toBe(400);
        fail();
        const response = await pending;
        expect([response.status, response.header("proxy-status")]).toEqual([
          503,
          expect.stringContaining("evenkeel; error="),
        ]);
        expect(fixture.refused.filter((reason) => reason !== "request_invalid")).toEqual(["upstream_reset"]);
      },
    );
  },

  "does not wait for the body of a bad status that a hedge gets while the other attempt responds": async (
    engine,
  ) => {
    const sockets: Socket[] = [];
    const firstResponds = (socket: Socket) => void sockets.push(socket);
    const secondResponds = (socket: Socket) => void socket.write(`${headOf("Content-Length: 4")}bu`);
    const options = { firstResponds, secondResponds, hedgeAfterMs: 20, destination: { mayHedge: true } };
    await withRetries(engine, options, async ({ fixture }) => {
      const pending = sendRequest(fixture.port, get);
      await until(() => fixture.ended.length === 1, "the hedge to get its status");
      sockets[0]?.write(respondWith("good"));
      const response = await pending;
      expect([response.status, response.body.toString()]).toEqual([200, "good"]);
      expect(fixture.hedged).toEqual(["lost"]);
    });
  },

  "closes the connection of a response whose status was retried if it does not end by itself": (engine) =>
    withRetries(
      engine,
      {
        firstResponds: (socket) => void socket.write(headOf(`Content-Length: ${longBody.length}`)),
        secondResponds: (socket) => void socket.write(respondWith("ok")),
      },
      async ({ fixture, first }) => {
        expect((await sendRequest(fixture.port, get)).body.toString()).toBe("ok");
        await until(() => first[0]?.destroyed === true, "the first connection to close");
      },
    ),
};
